import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// Values and gradients of single operations as PyTorch computes them in float64 (Scripts/make_fixtures.py).
@Suite("Operations against PyTorch")
struct PyTorchTests {
  static let choosing: [(String, OperationKind, OperationCall)] = [
    ("sigmoid", .sigmoid, .sigmoid), ("silu", .silu, .silu), ("sqrt", .squareRoot, .sqrt),
    ("abs", .absolute, .abs),
    ("power", .power, .power), ("power_3", .power, .powerOf(3)), ("clip", .clip, .clip(-0.5, 0.8)),
    ("where", .select, .replacing), ("slice", .slice, .slice([nil, 1..<3])),
    ("concatenate", .concatenate, .concatenate(axis: 1)), ("stack", .concatenate, .stack(axis: 1)),
    ("gather", .gather, .gather(axis: 1)), ("max", .extremum, .max([1])), ("min", .extremum, .min([0])),
    ("variance", .variance, .variance([1])), ("variance_1", .variance, .variance([0, 2], correction: 1)),
    ("log_softmax", .logSoftmax, .logSoftmax), ("log_sum_exp", .logSumExp, .logSumExp()),
    ("squared_error", .squaredError, .squaredError),
    ("binary_cross_entropy", .binaryCrossEntropy, .binaryCrossEntropy),
  ]

  static let cases: [(String, OperationKind, OperationCall)] =
    choosing
    + [
      ("relu", .relu, .relu), ("gelu_tanh", .geluTanh, .gelu(exact: false)), ("gelu_erf", .geluErf, .gelu(exact: true)),
      ("exp", .exp, .exp), ("log", .log, .log), ("tanh", .tanh, .tanh),
      ("softmax_3x5", .softmax, .softmax), ("softmax_2x3x17", .softmax, .softmax),
      ("softmax_large", .softmax, .softmax), ("layer_norm", .layerNorm, .layerNorm(scale: true, shift: true)),
      ("linear", .linear, .linear(bias: true)),
      ("linear_gelu_residual", .linear, .linear(bias: true, .geluTanh, residual: true)),
      ("embedding", .embedding, .embedding), ("attention", .attention, .attention(heads: 2)),
      ("cross_entropy", .crossEntropy, .crossEntropy(ignoring: -1)),
      ("cross_entropy_large", .crossEntropy, .crossEntropy(ignoring: -1)),
      ("matmul_3x4_4x5", .matmul, .matmul()), ("matmul_2x3x4_2x4x5", .matmul, .matmul()),
      ("matmul_2x1x3x4_3x4x2", .matmul, .matmul()),
    ]
    + ["4x1x3_2x3", "5_2x5", "scalar_2x2"].flatMap { shapes in
      [
        ("add_\(shapes)", .add, .add), ("sub_\(shapes)", .subtract, .subtract),
        ("mul_\(shapes)", .multiply, .multiply), ("div_\(shapes)", .divide, .divide),
      ]
    }
    + [("0", [0]), ("1", [1]), ("0_2", [0, 2]), ("all", [])].flatMap { name, axes in
      [
        ("sum_\(name)", .sum, .sum(axes)), ("sum_\(name)_keepdim", .sum, .sum(axes, keeping: true)),
        ("mean_\(name)", .sum, .mean(axes)), ("mean_\(name)_keepdim", .sum, .mean(axes, keeping: true)),
      ]
    }

  private static let weights = [0.5, 2, 0, 1, 1.5, 0.25]

  /// Those of Scripts/fixtures/decoder_operations.py.
  static let decoderCases: [(String, OperationKind, OperationCall)] = [
    ("rms_norm", .rmsNorm, .rmsNorm(scale: true)), ("rms_norm_plain", .rmsNorm, .rmsNorm(scale: false)),
    ("relu_squared", .reluSquared, .reluSquared),
    ("linear_relu_squared", .linear, .linear(bias: true, .reluSquared)),
    ("gated_silu", .gatedLinear, .gatedLinear(gate: .silu)),
    ("gated_silu_bias", .gatedLinear, .gatedLinear(bias: true, gate: .silu)),
    ("gated_gelu_tanh", .gatedLinear, .gatedLinear(gate: .geluTanh)),
    ("gated_gelu_erf", .gatedLinear, .gatedLinear(gate: .geluErf)),
    ("gated_sigmoid", .gatedLinear, .gatedLinear(gate: .sigmoid)),
    ("gated_tanh", .gatedLinear, .gatedLinear(gate: .tanh)), ("gated_relu", .gatedLinear, .gatedLinear(gate: .relu)),
    ("gated_relu_squared", .gatedLinear, .gatedLinear(gate: .reluSquared)),
    ("cross_entropy_weights", .crossEntropy, .crossEntropy(ignoring: -1, weights: weights)),
    (
      "linear_cross_entropy_terms", .linearCrossEntropy,
      .linearCrossEntropy(ignoring: -1, LossTerms(weights: weights, softCap: 3, zLoss: 0.01))
    ),
  ]

  @Test("every case of the files is known here")
  func complete() throws {
    for (file, cases) in [("operations", Self.cases), ("decoder-operations", Self.decoderCases)] {
      let inFile = Set(try fixture(file).names.map { String($0.split(separator: "/")[0]) })
      #expect(inFile == Set(cases.map(\.0)))
    }
  }

  @Test("values and gradients agree", arguments: (cases + decoderCases).map(\.0))
  func agree(name: String) throws {
    let isDecoders = Self.decoderCases.contains { $0.0 == name }
    let (_, kind, call) = try #require((Self.cases + Self.decoderCases).first { $0.0 == name })
    let file = try fixture(isDecoders ? "decoder-operations" : "operations")
    var inputs: [Tensor<Double>] = [], gradients: [Tensor<Double>] = []
    var tokens: (ids: [Int32], shape: [Int])?
    for index in 0..<4 where file.names.contains("\(name)/input\(index)") {
      if let ids = try file.tokens("\(name)/input\(index)") {
        tokens = ids
      } else {
        inputs.append(try file.tensor("\(name)/input\(index)"))
        gradients.append(try file.tensor("\(name)/gradient\(index)"))
      }
    }
    let operation = OperationCase(
      kind, call, shapes: inputs.map(\.shape.array), tokens: tokens?.ids, tokenShape: tokens?.shape)
    let output = try file.tensor("\(name)/output"), cotangent = try file.tensor("\(name)/cotangent")
    compare(operation, inputs, cotangent, output, gradients, 1e-12)
    // Logits around 1000 are rounded to Float by up to 3e-5 before anything is computed.
    let large = name.hasSuffix("_large")
    compare(operation, inputs.map { $0.converted(to: Float.self) }, cotangent, output, gradients, large ? 2e-4 : 1e-5)
  }

  private func compare<S: TensorScalar>(
    _ operation: OperationCase, _ inputs: [Tensor<S>], _ cotangent: Tensor<Double>, _ output: Tensor<Double>,
    _ gradients: [Tensor<Double>], _ tolerance: Double
  ) {
    forEachInstructionSet { backend in
      let run = OperationRun<S>(operation, inputs)
      let actual = Tape<S>(backend: backend).step { tape in
        let y = run.output(tape)
        (y * tape.input(cotangent.converted(to: S.self))).sum().backward()
        return y.tensor
      }
      let what = "\(operation.testDescription), \(S.self), \(backend.instructionSet)"
      expectClose(actual, output, Tolerance(relative: tolerance, absolute: tolerance), what)
      for (index, gradient) in gradients.enumerated() {
        expectClose(
          run.parameters[index].gradient, gradient, Tolerance(relative: tolerance, absolute: tolerance),
          "\(what), operand \(index)")
      }
    }
  }
}
