import AutogradBase
import AutogradTestSupport
import Foundation
import Testing

/// Hugging Face's tokenizers, where `AUTOGRAD_PYTHON` names a Python that has it.
enum TokenizersPeer {
  static let python = PythonPeer.python
  static let comment: Comment = "set AUTOGRAD_PYTHON to a Python with tokenizers and transformers"

  /// Runs Scripts/tokenizers_peer.py.
  static func ask(_ arguments: [String], _ input: JSON) throws -> JSON {
    try PythonPeer.ask("tokenizers_peer.py", arguments, input)
  }

  /// Ids of texts by a file's bytes, and what they decode to.
  static func ids(_ file: [UInt8], _ texts: [String]) throws -> (ids: [[Int]], texts: [String]) {
    let answer = try temporaryDirectory { folder in
      try Data(file).write(to: URL(fileURLWithPath: folder + "/tokenizer.json"))
      return try ask(["ids", folder + "/tokenizer.json"], .array(texts.map { .string($0) }))
    }
    let ids = try #require(answer["ids"]?.arrayValue).map { $0.arrayValue?.compactMap(\.intValue) ?? [] }
    return (ids, try #require(answer["texts"]?.arrayValue).compactMap(\.stringValue))
  }
}
