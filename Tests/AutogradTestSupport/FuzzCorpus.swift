import AutogradBase

/// A file of Fuzz/Corpus, and what must come of it.
public struct FuzzCorpusCase: Sendable, CustomStringConvertible {
  public let target: String
  public let name: String
  /// Whether the target accepts it.
  public let isAccepted: Bool
  /// How the command's complaint begins; nil where it has none. `@` is the file, `%` its folder.
  public let sentence: String?
  public var path: String { fuzzCorpusFolder + "/" + target + "/" + name }
  public var description: String { target + "/" + name }

  public var bytes: [UInt8] { get throws { try POSIXFileSystem().read(path, byteLimit: 1 << 20) } }
}

/// Where the corpus stands in this checkout.
public let fuzzCorpusFolder: String = {
  let file = #filePath, tests = "/Tests/AutogradTestSupport/FuzzCorpus.swift"
  return file.dropLast(tests.count) + "/Fuzz/Corpus"
}()

/// The lines of sentences.txt; none where it cannot be read, which its tests find.
public func fuzzCorpus() -> [FuzzCorpusCase] {
  let path = fuzzCorpusFolder + "/sentences.txt"
  guard let bytes = try? POSIXFileSystem().read(path, byteLimit: 1 << 20) else { return [] }
  return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    let path = fields[0].split(separator: "/").map(String.init)
    return FuzzCorpusCase(
      target: path[0], name: path[1], isAccepted: fields[1] == "accepted", sentence: fields[2] == "-" ? nil : fields[2])
  }
}
