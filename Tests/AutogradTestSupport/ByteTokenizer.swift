public import AutogradText
import AutogradBase

/// A second kind of tokenizer, for tests of whatever takes any: a token for each byte, in an order of its own, one for
/// the pair "th", and one for the end of a text.
///
/// So ids are not code points, a character may be several tokens, and a token several characters.
public struct ByteTokenizer: Tokenizer {
  public init() {}

  public static let pair: Int32 = 256
  public static let end: Int32 = 257

  public var vocabularySize: Int { 258 }

  public var specialTokens: [SpecialToken] { [SpecialToken(id: Self.end, name: "<|end|>", role: .endOfText)] }

  public func encode(_ bytes: [UInt8]) throws(TextError) -> [Int32] {
    if let offset = UTF8Sequence.firstInvalidOffset(in: bytes.span) { throw .invalidUTF8(path: nil, byteOffset: offset) }
    var tokens: [Int32] = [], index = 0
    while index < bytes.count {
      let isPair = bytes[index...].starts(with: Array("th".utf8))
      tokens.append(isPair ? Self.pair : 255 - Int32(bytes[index]))
      index += isPair ? 2 : 1
    }
    return tokens
  }

  public func bytes(of token: Int32) -> ArraySlice<UInt8> {
    switch token {
    case 0..<256: [UInt8(255 - token)]
    case Self.pair: ArraySlice("th".utf8)
    case Self.end: ArraySlice("<|end|>".utf8)
    default: fatalError("token \(token) is not in the vocabulary of 258; ids go from 0 to size - 1")
    }
  }

  public func tokenizerJSON() -> [UInt8] {
    JSON.object([
      JSON.Member("version", .string("1.0")),
      JSON.Member("model", .object([JSON.Member("type", .string("TestBytes"))])),
    ]).serialized()
  }
}

extension TokenizerKind {
  /// To be added to `TokenizerKind.all` by a test.
  public static let bytes = TokenizerKind(
    name: "vocabulary of bytes",
    train: { _ in ByteTokenizer() },
    read: { file throws(TextError) in
      guard file.modelType == "TestBytes" else {
        throw .notTokenizer(kind: "vocabulary of bytes", reason: "its model type is not TestBytes")
      }
      return ByteTokenizer()
    })
}
