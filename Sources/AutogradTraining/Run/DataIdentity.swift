import AutogradBase

/// What a run is trained on, so that a resume on something else is found out.
public struct DataIdentity: Sendable, Equatable {
  /// Where the text was; nil for the stories.
  public let path: String?
  public let byteCount: Int
  public let sha256: String
  /// What was named and how much it counts, where that was more than one plain text; empty otherwise.
  public let sources: [Source]

  /// One of several that a run is trained on.
  public struct Source: Sendable, Equatable {
    public let path: String
    public let weight: Double?
  }

  /// - Parameter bytes: The whole text, or the rules of the stories.
  public init(path: String?, bytes: [UInt8]) {
    self.path = path
    byteCount = bytes.count
    sha256 = Digest.of(bytes)
    sources = []
  }

  /// - Parameters:
  ///   - paths: As they were named.
  ///   - isOneText: Whether they are one plain text, and nothing else has to be known of them.
  init(_ paths: [String], weights: [Double]?, isOneText: Bool, byteCount: Int, sha256: String) {
    let paths = paths.map(DataIdentity.absolute)
    path = paths.joined(separator: ", ")
    (self.byteCount, self.sha256) = (byteCount, sha256)
    sources = isOneText && paths[0] != RunTexts.standardInput
      ? [] : paths.enumerated().map { Source(path: $1, weight: weights?[$0]) }
  }

  /// The path from the root, a pattern's too.
  private static func absolute(_ path: String) -> String {
    if path == RunTexts.standardInput || path.hasPrefix("/") { return absolutePath(path) ?? path }
    return absolutePath(path) ?? absolutePath(".").map { $0 + "/" + path } ?? path
  }

  /// What has to be named to have it again; empty for the stories.
  public var paths: [String] { sources.isEmpty ? path.map { [$0] } ?? [] : sources.map(\.path) }

  /// How much each counts, where that was said.
  public var weights: [Double]? {
    let weights = sources.compactMap(\.weight)
    return weights.isEmpty ? nil : weights
  }

  /// Whether both are the same bytes, wherever they lie, and count the same.
  public func isSameText(as other: DataIdentity) -> Bool {
    byteCount == other.byteCount && sha256 == other.sha256 && weights == other.weights
  }

  var json: JSON {
    .object([
      JSON.Member("path", path.map { .string($0) } ?? .null), JSON.Member("bytes", .integer(Int64(byteCount))),
      JSON.Member("sha256", .string(sha256)),
    ] + (sources.isEmpty ? [] : [
      JSON.Member(
        "sources",
        .array(sources.map { source in
          .object(
            [JSON.Member("path", .string(source.path))]
              + (source.weight.map { [JSON.Member("weight", .exact($0))] } ?? []))
        }))
    ]))
  }

  init(_ fields: Fields) throws(RecordProblem) {
    path = try fields.optionalString("path")
    byteCount = try fields.count("bytes")
    sha256 = try fields.string("sha256")
    sources = try fields.optionalObjects("sources").map { source throws(RecordProblem) in
      Source(path: try source.string("path"), weight: try source.missingOrNumber("weight"))
    }
    guard sources.count <= 32, [0, sources.count].contains(sources.count { $0.weight != nil }) else {
      throw RecordProblem(sentence: "the \"sources\" are too many, or have weights in part")
    }
  }
}
