import AutogradBase
import AutogradFuzzTargets

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// `FuzzDriver TARGET FILE…` gives files to a target, once each. Built with FUZZING (`Scripts/fuzz` does that), what
/// follows the target are libFuzzer's options and folders.
@main struct FuzzDriver {
  static func main() {
    guard let name = CommandLine.arguments.dropFirst().first, let target = FuzzTarget.named(name) else {
      let names = FuzzTarget.all.map(\.name).joined(separator: " ")
      print("usage: \(CommandLine.arguments[0]) TARGET FILE…, where TARGET is one of: \(names)")
      exit(64)
    }
    #if FUZZING
      exit(fuzz(target))
    #else
      for path in CommandLine.arguments.dropFirst(2) { replay(path, target) }
    #endif
  }

  /// A broken property ends the process, which is what libFuzzer looks for.
  static func attempt(_ bytes: [UInt8], _ target: FuzzTarget) -> Bool {
    do throws(BrokenProperty) {
      return try target.accepts(bytes)
    } catch {
      fatalError("\(target.name): \(error)")
    }
  }

  private static func replay(_ path: String, _ target: FuzzTarget) {
    do throws(FileError) {
      let bytes = try POSIXFileSystem().read(path, byteLimit: 1 << 30)
      print("\(path): \(attempt(bytes, target) ? "accepted" : "refused")")
    } catch {
      print("error: \(error)")
      exit(3)
    }
  }
}
