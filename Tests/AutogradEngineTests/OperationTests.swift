import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// What holds for every operation of the registry.
@Suite("Operations")
struct OperationTests {
  @Test(
    "agree with their formulas, in Float and in Double, on every instruction set",
    arguments: OperationKind.allCases)
  func reference(kind: OperationKind) {
    let record = OperationRecord.record(of: kind)
    for operation in record.cases + record.largeCases.filter({ $0.elementCount < 20_000 }) {
      // Numbers that both types hold.
      let inputs = operation.inputs(Float.self), wide = inputs.map { $0.converted(to: Double.self) }
      guard
        let expected = operation.call.reference(
          wide, tokens: operation.tokens ?? [], tokenShape: operation.tokenShape)
      else { continue }
      compare(operation, inputs, expected, record.roundings)
      compare(operation, wide, expected, record.roundings)
    }
  }

  /// Errors are judged against the largest element: a sum's rounding is in proportion to its terms, not to
  /// itself.
  private func compare<S: TensorScalar>(
    _ operation: OperationCase, _ inputs: [Tensor<S>], _ expected: Tensor<Double>, _ roundings: Double
  ) {
    let largest = expected.elements.reduce(1) { max($0, abs($1)) }
    let tolerance = Tolerance(relative: 0, absolute: roundings * Double(S.ulpOfOne) * largest)
    let run = OperationRun<S>(operation, inputs)
    forEachInstructionSet { backend in
      let tape = Tape<S>(backend: backend)
      OperationRun<S>.spoil(tape)
      let actual = tape.step { run.output($0).tensor }
      expectClose(
        actual, expected, tolerance, "\(operation.testDescription), \(S.self), \(backend.instructionSet)")
    }
  }

  @Test(
    "compute the same gradients in Float as in Double, on every instruction set",
    arguments: OperationKind.allCases)
  func gradientsInFloat(kind: OperationKind) {
    let record = OperationRecord.record(of: kind)
    for operation in record.cases + record.largeCases.prefix(1) {
      let inputs = operation.inputs(Float.self)
      let double = OperationRun<Double>(operation, inputs.map { $0.converted(to: Double.self) })
      let expected = double.run(Tape<Double>(backend: Backend(instructionSet: .baseline, pool: singleThread)))
      forEachInstructionSet { backend in
        let what = "\(operation.testDescription) on \(backend.instructionSet)"
        let wide = double.run(Tape<Double>(backend: backend))
        let run = OperationRun<Float>(operation, inputs).run(Tape<Float>(backend: backend))
        for (index, gradient) in expected.gradients.enumerated() {
          let largest = gradient.elements.reduce(1) { max($0, abs($1)) }
          func tolerance(_ unit: Double) -> Tolerance {
            Tolerance(relative: 0, absolute: 4 * record.roundings * unit * largest)
          }
          expectClose(
            wide.gradients[index], gradient, tolerance(.ulpOfOne), "\(what), Double, operand \(index)")
          // The cotangent is rounded to Float: one more rounding, which is in the tolerance.
          expectClose(
            run.gradients[index], gradient, tolerance(Double(Float.ulpOfOne)),
            "\(what), Float, operand \(index)")
        }
      }
    }
  }

  @Test("carry a NaN on wherever their formulas do", arguments: OperationKind.allCases)
  func notANumber(kind: OperationKind) {
    forEachInstructionSet { backend in
      let tape = Tape<Double>(backend: backend)
      for operation in OperationRecord.record(of: kind).cases {
        for operand in operation.shapes.indices where operation.shapes[operand].reduce(1, *) > 0 {
          var inputs = operation.inputs(Double.self)
          let place = inputs[operand].count / 2
          inputs[operand] = Tensor(
            shape: operation.shapes[operand],
            inputs[operand].elements.enumerated().map { $0 == place ? .nan : $1 })
          guard
            let expected = operation.call.reference(
              inputs, tokens: operation.tokens ?? [], tokenShape: operation.tokenShape)
          else { continue }
          let run = OperationRun<Double>(operation, inputs)
          let actual = tape.step { run.output($0).array }
          #expect(
            actual.map(\.isNaN) == expected.elements.map(\.isNaN),
            "\(operation.testDescription), NaN in operand \(operand), on \(backend.instructionSet)")
        }
      }
    }
  }

  @Test("need exactly the memory that the plan says", arguments: OperationKind.allCases)
  func plan(kind: OperationKind) {
    let record = OperationRecord.record(of: kind)
    for operation in record.cases + record.largeCases {
      for (temporaries, accumulating) in OperationGradientTests.uses
      where !temporaries || operation.elementCount < 1000 {
        let run = OperationRun<Float>(operation, temporaries: temporaries, accumulating: accumulating)
        for trains in [true, false] {
          let tape = Tape<Float>(backend: Backend(pool: singleThread))
          func step(_ tape: Tape<Float>) {
            let y = run.output(tape)
            if trains { (y * y).sum().backward() }
          }
          let plan = tape.plan { step($0) }
          #expect(tape.statistics.peak == 0 && tape.stepNumber == 0)
          tape.reserve(plan)
          tape.step { step($0) }
          #expect(
            tape.statistics.peak == plan.arenaBytes && tape.statistics.chunks == 1,
            "\(operation.testDescription)")
        }
      }
    }
  }

  @Test("refuse what does not fit, with a sentence", arguments: OperationKind.allCases)
  func misuse(kind: OperationKind) throws {
    for misuse in OperationRecord.record(of: kind).misuses {
      let core = TapeCore(type: .float64, backend: Backend(pool: singleThread), byteLimit: nil)
      try core.beginStep()
      var slots: [Slot] = []
      for shape in misuse.shapes {
        slots.append(try core.temporary(Shape(shape), "test", requiresGradient: true))
      }
      if let tokens = misuse.tokens {
        let shape = Shape(misuse.tokenShape ?? [tokens.count])
        slots.append(try core.slot(core.tokens(tokens.span, shape).handle, "test"))
      }
      let error = #expect(throws: Misuse.self) { try misuse.call(core, slots) }
      let sentence = error?.description ?? ""
      #expect(sentence.contains(misuse.sentence), "\"\(sentence)\" should contain \"\(misuse.sentence)\"")
      try core.endStep()
    }
  }
}
