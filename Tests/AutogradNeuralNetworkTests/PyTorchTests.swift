import AutogradEngine
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

/// An MLP and an encoder layer as PyTorch trains them in float64 (Scripts/fixtures/training.py).
@Suite("Layers against PyTorch") struct PyTorchTests {
  let file = try! fixture("training")

  /// Fills a parameter from rows of one or several tensors of the file.
  private func set(_ parameter: Parameter<Double>?, _ name: String, rows: Range<Int>? = nil) throws {
    let tensor = try file.tensor(name), columns = tensor.count / tensor.shape.array[0]
    let elements = rows.map { Array(tensor.elements[$0.lowerBound * columns..<$0.upperBound * columns]) }
    try #require(parameter).set(elements ?? tensor.elements)
  }

  private func expectLosses(_ losses: [Double], _ name: String) throws {
    let expected = try file.tensor(name).elements
    #expect(losses.count == expected.count)
    for (step, pair) in zip(losses, expected).enumerated() {
      #expect(
        abs(pair.0 - pair.1) <= 1e-9 * abs(pair.1), "\(name), step \(step): \(pair.0), expected \(pair.1)")
    }
  }

  @Test("50 Adam steps of an MLP follow PyTorch's to 1e-9")
  func mlp() throws {
    let model = Sequential<Double>([
      Linear(inputs: 5, outputs: 16), Activate(.tanh), Linear(inputs: 16, outputs: 8), Activate(.relu),
      Linear(inputs: 8, outputs: 2),
    ])
    // PyTorch counts layers as Sequential does, so the paths are the same.
    for named in model.parameters { try set(named.parameter, "mlp/weights/\(named.path)") }
    let inputs = try file.tensor("mlp/inputs"), targets = try file.tensor("mlp/targets")
    let tape = Tape<Double>(), optimizer = Adam([ParameterGroup(model.parameters)], decoupledDecay: false)
    var losses: [Double] = []
    for _ in 0..<50 {
      losses.append(
        tape.step { tape in
          let loss = model(tape.input(inputs)).squaredError(tape.input(targets))
          loss.backward()
          return loss.value
        })
      optimizer.step(learningRate: 1e-2)
    }
    try expectLosses(losses, "mlp/losses")
  }

  /// PyTorch's `TransformerEncoderLayer` with norms first.
  private struct EncoderLayer: Module {
    let attentionNorm = LayerNorm<Double>(channels: 12)
    let attention = MultiHeadAttention<Double>(channels: 12, headCount: 3)
    let feedForwardNorm = LayerNorm<Double>(channels: 12)
    let feedForward = FeedForward<Double>(channels: 12, width: 20, activation: .geluErf)

    func listParts(_ parts: inout ModuleParts<Double>) {
      parts.add("norm1", attentionNorm)
      parts.add("self_attn", attention)
      parts.add("norm2", feedForwardNorm)
      parts.add("mlp", feedForward)
    }

    func callAsFunction(_ x: Variable<Double>, isPadding: Variable<Double>) -> Variable<Double> {
      let h = x + attention(attentionNorm(x), isPadding: isPadding)
      return feedForward(feedForwardNorm(h), adding: h)
    }
  }

  /// Our paths and where their numbers stand in PyTorch's tensors.
  private static let encoderNames: [(ours: String, theirs: String, part: Int?)] =
    ["weight", "bias"].flatMap { kind in
      [
        ("norm1.\(kind)", "norm1.\(kind)", nil), ("norm2.\(kind)", "norm2.\(kind)", nil),
        ("self_attn.query.\(kind)", "self_attn.in_proj_\(kind)", 0),
        ("self_attn.key.\(kind)", "self_attn.in_proj_\(kind)", 1),
        ("self_attn.value.\(kind)", "self_attn.in_proj_\(kind)", 2),
        ("self_attn.output.\(kind)", "self_attn.out_proj.\(kind)", nil),
        ("mlp.input.\(kind)", "linear1.\(kind)", nil), ("mlp.output.\(kind)", "linear2.\(kind)", nil),
      ]
    }

  @Test("an encoder layer with padding: output, gradients, and 50 AdamW steps to 1e-9")
  func encoder() throws {
    let layer = EncoderLayer()
    #expect(Set(layer.parameters.map(\.path)) == Set(Self.encoderNames.map(\.ours)))
    for (ours, theirs, part) in Self.encoderNames {
      try set(layer[ours], "encoder/weights/\(theirs)", rows: part.map { $0 * 12..<($0 + 1) * 12 })
    }
    let x = try file.tensor("encoder/x"), targets = try file.tensor("encoder/targets")
    let padding = try file.tensor("encoder/padding"), kept = padding.map { 1 - $0 }
    let count = kept.elements.reduce(0, +) * 12
    func output(_ tape: Tape<Double>) -> Variable<Double> {
      let mask = tape.input(kept).reshape([3, 6, 1])
      return layer(tape.input(x), isPadding: tape.input(padding)) * mask
    }
    func loss(_ tape: Tape<Double>) -> Variable<Double> {
      let error = output(tape) - tape.input(targets) * tape.input(kept).reshape([3, 6, 1])
      return (error * error).sum() / count
    }
    let tape = Tape<Double>()
    expectClose(
      tape.step { output($0).tensor }, try file.tensor("encoder/output"),
      Tolerance(relative: 1e-12, absolute: 1e-13))
    tape.step { tape in loss(tape).backward() }
    for theirs in Set(Self.encoderNames.map(\.theirs)) {
      let parts = Self.encoderNames.filter { $0.theirs == theirs }
      let squares = try parts.reduce(0.0) { sum, name in
        try #require(layer[name.ours]).gradient.elements.reduce(sum) { $0 + $1 * $1 }
      }
      let expected = try file.tensor("encoder/norms/\(theirs)").elements[0]
      #expect(abs(squares.squareRoot() - expected) <= 1e-10 * expected, "\(theirs)")
    }

    let optimizer = Adam([ParameterGroup(layer.parameters, weightDecay: 0.05)])
    var losses: [Double] = []
    for _ in 0..<50 {
      losses.append(
        tape.step { tape in
          let loss = loss(tape)
          loss.backward()
          return loss.value
        })
      optimizer.step(learningRate: 3e-3)
    }
    try expectLosses(losses, "encoder/losses")
  }
}
