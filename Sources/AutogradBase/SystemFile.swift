/// The small files in which the system tells about itself and this process.
package enum SystemFile {
  /// Nil where there is none.
  package static func read(_ path: String) -> String? {
    guard let bytes = try? POSIXFileSystem().read(path, byteLimit: 1 << 20) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What a line "Name:   123 kB" says, in bytes; nil where none does.
  package static func bytes(_ name: String, in text: String?) -> Int? {
    guard let line = text?.split(separator: "\n").first(where: { $0.hasPrefix(name + ":") }) else { return nil }
    return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }
}
