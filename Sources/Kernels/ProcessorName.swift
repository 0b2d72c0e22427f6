import Base

extension AvailableProcessors {
  /// The CPU as the system calls it; nil where it does not say.
  public static var name: String? {
    guard let bytes = try? POSIXFileSystem().read("/proc/cpuinfo", byteLimit: 16 << 20) else { return nil }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("model name") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      return String(line[line.index(after: colon)...].drop { $0 == " " })
    }
    return nil
  }
}
