import AutogradBase
import AutogradEngine
import AutogradModels
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradTraining

/// Preference pairs: the loss is what its definition says, and what PyTorch computes.
@Suite("Preference pairs") struct PreferenceTests {
  private static let peer = "peft_peer.py"
  private static let isPeerThere: Bool = PythonPeer.python != nil && (try? PythonPeer.ask("peft_peer.py", ["has"])) == .bool(true)
  private let tokenizer = try! CharacterTokenizer(training: Array("abcdefghijklmnopqrstuvwxyz ".utf8))
  /// Three pairs of eight tokens, of which the last three are the answers.
  private let pairs: [[[Int32]]] = (0..<3).map { pair in
    (0..<2).map { half in
      let question = (0..<5).map { Int32($0 * 3 + pair * 5) % 27 }, answer = (5..<8).map { Int32($0 * 7 + half * 4 + pair) % 27 }
      return question + answer
    }
  }

  private func sizes(_ family: String) throws -> DecoderConfiguration {
    var sizes = try DecoderConfiguration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 16, layerCount: 2, headCount: 4, channelCount: 32,
      hasBias: family == "gpt2", family: try #require(ModelFamily.named(family)))
    sizes.initialDeviation = 0.3
    return sizes
  }

  /// Losses and margins of steps of gradient descent on all pairs.
  private func descend<Scalar: TensorScalar>(
    _ model: Decoder<Scalar>, _ adapter: ModelAdapter<Scalar>, beta: Double, rate: Double, steps: Int
  ) -> (losses: [Double], margins: [Double]) {
    adapter.attach(to: model)
    let tape = Tape<Scalar>(), rows = pairs.flatMap { $0 }, count = rows.count
    let inputs = rows.flatMap { $0.dropLast() }, targets = rows.flatMap { $0.dropFirst() }
    let weights = rows.flatMap { _ in (0..<7).map { Scalar($0 < 4 ? 0 : 1) } }
    var losses: [Double] = [], margins: [Double] = []
    for _ in 0..<steps {
      let (loss, measures) = tape.step { tape in
        let batch = BatchOperands(
          tokens: tape.tokens(inputs.span, shape: [count, 7]), targets: tape.tokens(targets.span, shape: [count, 7]),
          positions: nil, weights: tape.input(weights, shape: [count, 7]))
        let (loss, measures) = PreferenceObjective(beta: beta).loss(
          of: batch, by: model, on: tape, expectedSeed: 1) { _ in }
        loss.backward()
        return (Double(loss.value), measures)
      }
      losses.append(loss)
      margins.append(measures[0])
      for named in adapter.parameters {
        let gradient = named.parameter.gradient.elements
        named.parameter.set(zip(named.parameter.array, gradient).map { $0 - Scalar(rate) * $1 })
      }
    }
    return (losses, margins)
  }

  @Test("a new adapter changes nothing: the loss is log 2; descending, the margin grows and the loss falls")
  func descent() throws {
    let model = Decoder<Float>(try sizes("llama"), seed: 5)
    var configuration = AdapterConfiguration()
    configuration.rank = 4
    let adapter = try ModelAdapter<Float>(configuration, for: model)
    adapter.initialize(seed: 3)
    let (losses, margins) = descend(model, adapter, beta: 0.5, rate: 0.05, steps: 8)
    #expect(abs(losses[0] - 0.6931471805599453) < 1e-6 && margins[0] == 0)
    #expect(zip(losses, losses.dropFirst()).allSatisfy { $0 > $1 } && zip(margins, margins.dropFirst()).allSatisfy { $0 < $1 })
  }

  @Test(
    "losses and margins of a descent are PyTorch's to 1e-9",
    .enabled(if: isPeerThere, "set AUTOGRAD_PYTHON to a Python with transformers and peft"), arguments: ["gpt2", "llama"])
  func peer(_ family: String) throws {
    let base = Decoder<Float>(try sizes(family), seed: 5)
    try temporaryDirectory { folder in
      try ModelDirectory(folder + "/base").save(base, tokenizer: tokenizer)
      _ = try PythonPeer.ask(Self.peer, ["make", folder + "/base", folder + "/adapter", "4", "plain"])
      let lists = JSON.array(pairs.map { .array($0.map { .array($0.map { .integer(Int64($0)) }) }) })
      let answer = try PythonPeer.ask(
        Self.peer, ["prefer", folder + "/base", folder + "/adapter", "0.3", "0.01", "6"],
        .object([JSON.Member("pairs", lists), JSON.Member("answers", .integer(3))]))
      let model: Decoder<Double> = try ModelDirectory(folder + "/base").loadModel(as: Double.self)
      let adapter = try AdapterDirectory(folder + "/adapter").load(for: model)
      let own = descend(model, adapter, beta: 0.3, rate: 0.01, steps: 6)
      for (key, numbers) in [("losses", own.losses), ("margins", own.margins)] {
        let theirs = try #require(answer[key]?.arrayValue).compactMap(\.doubleValue)
        #expect(theirs.count == 6)
        #expect(zip(numbers, theirs).allSatisfy { abs($0 - $1) < 1e-9 }, "\(key): \(numbers) \(theirs)")
      }
    }
  }
}
