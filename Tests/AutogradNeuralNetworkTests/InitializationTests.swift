import AutogradBase
import AutogradEngine
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

@Suite("Initial values, and parts that are listed by themselves") struct InitializationTests {
  /// A layer of one's own: its parts are its stored properties.
  private struct Scaled: Layer {
    let linear = Linear<Double>(inputs: 3, outputs: 4)
    let scale = Parameter<Double>(shape: [4], initially: .ones)
    let table = Parameter<Double>(shape: [4, 4], initially: .normal(deviation: 0.5))
    let given = Parameter<Double>([[1, 2], [3, 4]])
    let width = 4
    let ids: [Int32] = [1, 2, 3]

    func callAsFunction(_ x: Variable<Double>) -> Variable<Double> {
      linear(x).layerNorm(scale: scale, shift: nil)
    }
  }

  private class Base: Module {
    typealias Scalar = Float
    let first = Parameter<Float>(shape: [2], initially: .constant(7))
  }

  private final class Derived: Base {
    let absent: Linear<Float>? = nil
    let present: Linear<Float>? = Linear(inputs: 1, outputs: 1, bias: false)
    let several: [any Layer<Float>] = [Activate(.tanh), Linear(inputs: 1, outputs: 2)]
    let pair = (LayerNorm<Float>(channels: 1), Parameter<Float>(zeros: [1]))
    lazy var shared = first
  }

  @Test("stored properties are the parts, in order: inherited ones first, optionals, arrays, tuples, each once")
  func parts() {
    #expect(Scaled().parameters.map(\.path) == ["linear.weight", "linear.bias", "scale", "table", "given"])
    let derived = Derived()
    _ = derived.shared
    #expect(
      derived.parameters.map(\.path) == [
        "first", "present.weight", "several.1.weight", "several.1.bias", "pair.0.weight", "pair.0.bias", "pair.1",
      ])
  }

  @Test("every parameter begins as its layer declares, from a stream of its place; given values stay")
  func values() {
    let layer = Scaled()
    layer.initialize(seed: 5)
    func drawn(_ shape: [Int], place: UInt32, _ initialization: Initialization) -> [Double] {
      let parameter = Parameter<Double>(zeros: shape)
      var random = RandomStream(seed: 5, purpose: .initialization, ordinal: place)
      parameter.fill(initialization, &random)
      return parameter.array
    }
    #expect(layer.linear.weight.array == drawn([4, 3], place: 0, .xavierUniform()))
    #expect(layer.linear.bias?.array == [0, 0, 0, 0])
    #expect(layer.scale.array == [1, 1, 1, 1])
    #expect(layer.table.array == drawn([4, 4], place: 3, .normal(deviation: 0.5)))
    #expect(layer.given.array == [1, 2, 3, 4])
    // Once more: everything begins anew, whatever was trained meanwhile.
    let before = layer.parameters.map(\.parameter.array)
    for named in layer.parameters where named.path != "given" {
      named.parameter.set([Double](repeating: 9, count: named.parameter.count))
    }
    layer.initialize(seed: 5)
    #expect(layer.parameters.map(\.parameter.array) == before)
    layer.linear.weight.initialization = .constant(0.25)
    layer.initialize(seed: 5)
    #expect(layer.linear.weight.array == [Double](repeating: 0.25, count: 12))
  }

  @Test("a list that leaves a stored part out stops where optimisers are made and values drawn", arguments: 0..<4)
  func forgotten(_ index: Int) async throws {
    silenceCrashReports()
    struct Forgetful: Module {
      let first = Linear<Float>(inputs: 1, outputs: 1)
      let others = [Linear<Float>(inputs: 1, outputs: 1), Linear<Float>(inputs: 1, outputs: 1)]
      let scale: Parameter<Float>? = Parameter(zeros: [1])
      let forgets: Int

      func listParts(_ parts: inout ModuleParts<Float>) {
        parts.add("first", first)
        if forgets == 0 { parts.add("others", [others[0]]) } else { parts.add("others", others) }
        if forgets != 1 { parts.add("scale", scale) }
      }
    }
    struct Outer: Module {
      typealias Scalar = Float
      let inner: Forgetful
    }
    let names = ["others.1", "scale", "others.1", "scale"]
    try expectSentence(
      "Forgetful: listParts does not name \(names[index]), so it would be neither trained nor saved",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [index] in
        switch index {
        case 0: Forgetful(forgets: 0).initialize(seed: 1)
        case 1: Outer(inner: Forgetful(forgets: 1)).initialize(seed: 1)
        case 2: _ = Adam(Forgetful(forgets: 0))
        default: _ = ParameterGroup(Outer(inner: Forgetful(forgets: 1)))
        }
      })
  }

  @Test("a part that is left out on purpose stops nothing")
  func leftOut() {
    struct Student: Module {
      let own = Linear<Float>(inputs: 1, outputs: 1), teacher = Linear<Float>(inputs: 1, outputs: 1)

      func listParts(_ parts: inout ModuleParts<Float>) {
        parts.add("own", own)
        parts.leaveOut(teacher)
      }
    }
    let student = Student()
    student.initialize(seed: 1)
    #expect(student.parameters.map(\.path) == ["own.weight", "own.bias"])
    _ = Adam(student)
  }

  @Test("to compute with weights that never got values stops with a sentence")
  func neverDrawn() async throws {
    silenceCrashReports()
    try expectSentence(
      "the parameter layer.weight of shape [2, 3] never got values; call initialize(seed:) on its module",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        struct Network: Module {
          typealias Scalar = Float
          let layer = Linear<Float>(inputs: 3, outputs: 2)
        }
        let network = Network(), tape = Tape<Float>()
        _ = network.parameters
        tape.step { tape in _ = network.layer(tape.input([[1, 2, 3]])) }
      })
  }

  @Test("values that were set, loaded, drawn or written in place are values; a plan needs none")
  func otherwise() {
    func linear() -> Linear<Float> { Linear(inputs: 3, outputs: 2) }
    let tape = Tape<Float>(), set = linear(), written = linear(), drawn = linear(), planned = linear()
    _ = tape.plan { tape in _ = planned(tape.input([[1, 2, 3]])) }
    set.weight.set([1, 2, 3, 4, 5, 6])
    unsafe written.weight.values.update(repeating: 2)
    drawn.initialize(seed: 1)
    let results = tape.step { tape in
      [set, written, drawn].map { $0(tape.input([[1, 1, 1]])).array }
    }
    #expect(results[0] == [6, 15] && results[1] == [6, 6] && results[2] != [0, 0])
  }

  @Test("a module, its named parameters and its parameters: the same groups, the same explanations")
  func sources() {
    let layer = Scaled(), tape = Tape<Double>()
    layer.initialize(seed: 1)
    tape.step { tape in layer(tape.input([[1, 2, 3]])).sum().backward() }
    let explained = tape.explainGradients(of: layer).map(\.description)
    #expect(explained.count == 5 && explained[0].hasPrefix("linear.weight: "))
    #expect(tape.explainGradients(of: layer.parameters).map(\.description) == explained)
    #expect(tape.explainGradients(of: layer.parameters.map(\.parameter)).map(\.description) == explained)
    #expect(ParameterGroup(layer).parameters.map(\.path) == layer.parameters.map(\.path))
    let groups = ParameterGroup.decayingMatrices(layer, weightDecay: 0.1)
    #expect(groups.map { $0.parameters.map(\.path) } == [["linear.weight", "table", "given"], ["linear.bias", "scale"]])
    #expect(groups.map(\.weightDecay) == [0.1, 0])
    #expect(checkGradients(of: layer) { tape in layer(tape.input([[1, 2, 3]])) }.passes)
  }
}
