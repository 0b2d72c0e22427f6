import AutogradKernels
import AutogradTestSupport
import Testing

import AutogradEngine

/// Each stops the program with its sentence. Every test has a process of its own.
@Suite("Misuse of stored weights stops with a sentence")
struct StoredWeightMisuseTests {
  init() { silenceCrashReports() }

  private static func parameter(_ set: InstructionSet = .preferred) -> Parameter<Float> {
    let parameter = StoredWeightSample(.q8_0, outputs: 4, inputs: 32, seed: 1, set: set).parameter
    parameter.name = "head.weight"
    return parameter
  }

  private static let x = Tensor<Float>(repeating: 1, shape: [2, 32])

  @Test("an operation that wants numbers")
  func matmul() async throws {
    try expectSentence(
      "matmul: head.weight of shape [4, 32] is stored as q8_0, which linear layers, gated ones, embeddings and the head's "
        + "loss read, and nothing else; load the model in float32 for this",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        Tape<Float>().step { tape in _ = tape.input(Self.x).matmul(Self.parameter(), transposingRight: true) }
      })
  }

  @Test("a variable of it")
  func variable() async throws {
    try expectSentence(
      "variable: head.weight of shape [4, 32] is stored as q8_0",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        Tape<Float>().step { tape in _ = tape.variable(Self.parameter()) }
      })
  }

  @Test("its values, to be changed", arguments: [0, 1, 2])
  func values(_ way: Int) async throws {
    let wanted = way == 2 ? "gradient" : "values"
    let sentence = "Parameter.\(wanted): head.weight of shape [4, 32] is stored as q8_0 and does not change"
    let result = switch way {
    case 0:
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        Self.parameter().set([Float](repeating: 0, count: 128))
      }
    case 1:
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Self.parameter().values }
    default:
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Self.parameter().gradient }
    }
    try expectSentence(sentence, result)
  }

  @Test("a weight of another shape")
  func shape() async throws {
    try expectSentence(
      "Parameter.store: the parameter has shape [32, 4], the stored weight [4, 32]",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        Parameter<Float>(zeros: [32, 4]).store(StoredWeight(.q8_0, outputs: 4, inputs: 32))
      })
  }

  @Test("inputs that blocks do not divide")
  func blocks() async throws {
    try expectSentence(
      "StoredWeight: 33 inputs are no whole blocks of 32, as q4_1 has them",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = StoredWeight(.q4_1, outputs: 4, inputs: 33)
      })
  }

  @Test("panels of another instruction set", .enabled(if: InstructionSet.widest > .baseline, "this CPU has one set"))
  func instructionSet() async throws {
    try expectSentence(
      "linear: head.weight is stored for baseline, but the tape's backend computes with \(InstructionSet.widest.rawValue)",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>(backend: Backend(instructionSet: .widest))
        tape.step { tape in _ = tape.input(Self.x).linear(Self.parameter(.baseline)) }
      })
  }

  @Test("a bias of a layer that is learned beside it has its gradient")
  func bias() {
    let tape = Tape<Float>(), bias = Parameter(Tensor<Float>(shape: [4], [1, 2, 3, 4])), weight = Self.parameter()
    tape.step { tape in tape.input(Self.x).linear(weight, bias: bias).sum().backward() }
    #expect(bias.gradient.elements == [2, 2, 2, 2] && !weight.isTrainable)
  }
}
