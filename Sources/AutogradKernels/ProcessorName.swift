import AutogradBase

extension AvailableProcessors {
  /// The CPU as the system calls it, with family and model, since virtual machines shorten the name; nil where it
  /// does not say.
  public static var name: String? {
    guard let bytes = try? POSIXFileSystem().read("/proc/cpuinfo", byteLimit: 16 << 20) else { return nil }
    // The first CPU's lines are `key : value`.
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").prefix(40)
    func value(_ key: String) -> String? {
      for line in lines {
        let parts = line.split(separator: ":", maxSplits: 1).map { $0.filter { $0 != "\t" } }
        if parts.count == 2, parts[0].split(separator: " ").joined(separator: " ") == key {
          return String(parts[1].drop { $0 == " " })
        }
      }
      return nil
    }
    guard let name = value("model name") else { return nil }
    guard let family = value("cpu family"), let model = value("model") else { return name }
    return "\(name) (family \(family), model \(model))"
  }
}
