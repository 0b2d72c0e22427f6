import AutogradBase

/// What a run is trained on, so that a resume on something else is found out.
public struct DataIdentity: Sendable, Equatable {
  /// Where the text was; nil for the stories.
  public let path: String?
  public let byteCount: Int
  public let sha256: String

  /// - Parameter bytes: The whole text, or the rules of the stories.
  public init(path: String?, bytes: [UInt8]) {
    self.path = path
    byteCount = bytes.count
    sha256 = Digest.of(bytes)
  }

  /// Whether both are the same bytes, wherever they lie.
  public func isSameText(as other: DataIdentity) -> Bool { byteCount == other.byteCount && sha256 == other.sha256 }

  var json: JSON {
    .object([
      JSON.Member("path", path.map { .string($0) } ?? .null), JSON.Member("bytes", .integer(Int64(byteCount))),
      JSON.Member("sha256", .string(sha256)),
    ])
  }

  init(_ fields: Fields) throws(RecordProblem) {
    path = try fields.optionalString("path")
    byteCount = try fields.count("bytes")
    sha256 = try fields.string("sha256")
  }
}
