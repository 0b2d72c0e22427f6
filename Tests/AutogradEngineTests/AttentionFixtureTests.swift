import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// Attention as families of `transformers` compute it (Scripts/make_attention_fixture.py).
@Suite("Attention against transformers")
struct AttentionFixtureTests {
  /// By name, with the largest error: norms are in float32 there.
  static let cases: [(name: String, choices: AttentionChoices, tolerance: Double)] = [
    ("gptj", AttentionChoices(2, 2, D: 8, rotates: 0.5, .interleaved), 1e-12),
    ("mistral", AttentionChoices(4, 2, D: 6, window: 3, rotates: 1), 1e-12),
    ("documents", AttentionChoices(2, 1, D: 4, rotates: 1), 1e-12),
    ("qwen3", AttentionChoices(4, 2, D: 6, norm: .scaled, rotates: 1), 3e-6),
    ("nanochat", AttentionChoices(4, 2, D: 6, norm: .plain, rotates: 1, .half, .backward), 3e-6),
  ]

  @Test("every case of the file is known here")
  func complete() throws {
    let inFile = Set(try fixture("attention").names.map { String($0.split(separator: "/")[0]) })
    #expect(inFile == Set(Self.cases.map(\.name)))
  }

  @Test("values and gradients agree", arguments: cases.map(\.name))
  func agree(name: String) throws {
    let (_, choices, tolerance) = try #require(Self.cases.first { $0.name == name })
    try compare(name, choices, tolerance, Double.self)
    try compare(name, choices, max(tolerance, 1e-5), Float.self)
  }

  private func compare<S: TensorScalar>(
    _ name: String, _ choices: AttentionChoices, _ bound: Double, _ type: S.Type
  ) throws {
    let file = try fixture("attention"), count = choices.norm == .scaled ? 3 : 1
    let inputs = try (0..<count).map { try file.tensor("\(name)/input\($0)") }
    let positions = try file.tokens("\(name)/positions")
    let operation = OperationCase(
      .attention, .attentionOf(choices), shapes: inputs.map(\.shape.array), tokens: positions?.ids,
      tokenShape: positions?.shape)
    let output = try file.tensor("\(name)/output"), cotangent = try file.tensor("\(name)/cotangent")
    let tolerance = Tolerance(relative: bound, absolute: bound)
    try forEachInstructionSet { backend in
      let run = OperationRun<S>(operation, inputs.map { $0.converted(to: S.self) })
      let actual = Tape<S>(backend: backend).step { tape in
        let y = run.output(tape)
        (y * tape.input(cotangent.converted(to: S.self))).sum().backward()
        return y.tensor
      }
      expectClose(actual, output, tolerance, "\(name), \(S.self), \(backend.instructionSet)")
      for index in 0..<count {
        expectClose(
          run.parameters[index].gradient, try file.tensor("\(name)/gradient\(index)"), tolerance,
          "\(name), \(S.self), \(backend.instructionSet), operand \(index)")
      }
    }
  }
}
