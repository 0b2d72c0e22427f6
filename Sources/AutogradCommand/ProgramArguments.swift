import AutogradBase
import CAutogradSystem

/// The arguments of the command line.
enum ProgramArguments {
  /// All of them, the program's name first.
  ///
  /// - Throws: Where one is not UTF-8, as text from every other door is refused then; where the system tells none.
  static func read() throws(InputError) -> [String] {
    let all = bytes()
    if all.isEmpty {
      throw InputError(
        sentence: "the system does not tell what the command line says; mount /proc, where it is to be read",
        exit: .inputOutput)
    }
    for (index, argument) in all.enumerated() {
      guard let offset = UTF8Sequence.firstInvalidOffset(in: argument.span) else { continue }
      throw InputError(sentence: sentence(index, all, offset))
    }
    return all.map { String(decoding: $0, as: UTF8.self) }
  }

  private static func bytes() -> [[UInt8]] {
    let count = csystem_argument_count()
    guard count > 0 else { return CommandLine.arguments.map { Array($0.utf8) } }
    return (0..<count).map { index in
      // INVARIANT: the system keeps count terminated strings, which nobody changes, as long as the process lives.
      var rest = unsafe csystem_argument(index), found: [UInt8] = []
      while unsafe rest.pointee != 0 {
        found.append(UInt8(bitPattern: unsafe rest.pointee))
        unsafe rest += 1
      }
      return found
    }
  }

  private static func sentence(_ index: Int, _ all: [[UInt8]], _ offset: Int) -> String {
    var name = "argument \(index)", place = offset
    let argument = all[index], before = index > 0 ? String(decoding: all[index - 1], as: UTF8.self) : ""
    if let end = argument.firstIndex(of: UInt8(ascii: "=")), end < offset, argument.first == UInt8(ascii: "-") {
      (name, place) = ("the value of \(String(decoding: argument[..<end], as: UTF8.self))", offset - end - 1)
    } else if before.hasPrefix("-"), !before.contains("=") {
      name = "the value of \(before)"
    }
    return "\(name) is not UTF-8 at byte \(place) (counted from 0); convert it to UTF-8"
  }
}
