import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

@Suite("Parameters that change within a step")
struct ParameterChangeTests {
  private func loss(_ run: OperationRun<Double>, _ tape: Tape<Double>) -> Variable<Double> {
    let y = run.output(tape)
    let cotangent = Tensor(shape: y.shape, (0..<y.shapeValue.count).map { Double($0 &* 7919 % 2003 - 1001) / 700 })
    return (y * tape.input(cotangent)).sum()
  }

  @Test("make a backward that would read them refuse, and no other", arguments: OperationKind.allCases)
  func everyOperation(kind: OperationKind) {
    for operation in OperationRecord.record(of: kind).cases {
      for operand in operation.shapes.indices where operation.shapes[operand].reduce(1, *) > 0 {
        let run = OperationRun<Double>(operation), tape = Tape<Double>(backend: Backend(pool: singleThread))
        (tape.seed, tape.randomStep) = (3, 1)
        tape.step { loss(run, $0).backward() }
        let expected = run.parameters.map(\.gradient.elements)
        let refused: Bool = tape.step { tape in
          let loss = loss(run, tape), parameter = run.parameters[operand]
          parameter.set(parameter.array.map { $0 * 1.5 + 0.3 })
          do throws(Misuse) {
            try tape.core.backward(from: try tape.core.slot(loss.handle, "test"), seed: 1)
            return false
          } catch {
            #expect(error.description.contains("changed after"))
            return true
          }
        }
        if refused { continue }
        for (parameter, gradient) in zip(run.parameters, expected) {
          expectSameBits(parameter.gradient.elements, gradient, "\(operation.testDescription), operand \(operand)")
        }
      }
    }
  }

  private func refuses(_ body: (Tape<Double>) -> Variable<Double>, _ change: () -> Void) -> String? {
    Tape<Double>(backend: Backend(pool: singleThread)).step { tape in
      let loss = body(tape)
      change()
      do throws(Misuse) {
        try tape.core.backward(from: try tape.core.slot(loss.handle, "test"), seed: 1)
        return nil
      } catch {
        return error.description
      }
    }
  }

  @Test("are found behind a reshape, in a forgotten norm, in a recomputed part, and for a seed that was not expected")
  func ways() {
    let p = Parameter<Double>([[1, 2], [3, 4]]), scale = Parameter<Double>([1, 1])
    p.name = "layer.weight"
    let sentence = refuses({ tape in
      let y = tape.variable(p)
      return (y * y).sum()
    }) { p.set([5, 6, 7, 8]) }
    #expect(
      sentence == "backward: parameter layer.weight changed after multiply had read its values, from which backward "
        + "computes the gradient; call backward before anything changes parameters, or compute the loss again afterwards")
    #expect(refuses({ tape in let y = tape.variable(p).reshape([4]); return (y * y).sum() }) { p.set([1, 2, 3, 4]) } != nil)
    // Only what is computed again reads the scale: dx is not asked for.
    #expect(
      refuses({ tape in
        let y = tape.input([[1, 3]]).layerNorm(scale: scale), loss = (y * y).sum()
        y.forget()
        return loss
      }) { scale.set([2, 2]) } != nil)
    let part = Recomputation<Double> { $0.linear(p) + 1 }
    #expect(refuses({ tape in part(tape.variable(scale).reshape([1, 2])).sum() }) { p.set([1, 2, 3, 4]) } != nil)
    #expect(refuses({ tape in part(tape.variable(scale).reshape([1, 2])).sum() }) {} == nil)
    func classifier(_ factor: Double) -> String? {
      refuses({ tape in tape.input([[1, 2]]).linearCrossEntropy(p, tape.tokens([1])) * factor }) { p.set([1, 2, 3, 4]) }
    }
    #expect(classifier(1) == nil && classifier(2) != nil)
  }

  @Test("do not matter after backward, nor to another step")
  func after() {
    let p = Parameter<Double>([1, 2]), tape = Tape<Double>()
    for _ in 0..<2 {
      tape.step(accumulating: true) { tape in
        let y = tape.variable(p)
        (y * y).sum().backward()
        p.set([2, 2])
        let z = tape.variable(p)
        (z * z).sum().backward()
      }
    }
    #expect(p.gradient == [14, 16])
  }

  @Test("a gradient that another tape replaced is not added to in silence")
  func twoTapes() {
    let p = Parameter<Double>([1, 2]), a = Tape<Double>(), b = Tape<Double>()
    func backward(_ tape: Tape<Double>, accumulating: Bool = false, _ factor: Double) -> String? {
      tape.step(accumulating: accumulating) { tape in
        let loss = (tape.variable(p) * factor).sum()
        do throws(Misuse) {
          try tape.core.backward(from: try tape.core.slot(loss.handle, "test"), seed: 1)
          return nil
        } catch {
          return error.description
        }
      }
    }
    #expect(backward(a, 1) == nil && backward(a, accumulating: true, 2) == nil)
    #expect(p.gradient == [3, 3])
    #expect(backward(b, 5) == nil)
    #expect(p.gradient == [5, 5])
    let sentence = backward(a, accumulating: true, 1) ?? ""
    #expect(sentence.contains("the gradient of parameter of shape [2] to which this step adds was replaced by another"))
    #expect(backward(a, 1) == nil && p.gradient == [1, 1])
    #expect(backward(b, accumulating: true, 1)?.contains("replaced") == true)
    #expect(backward(b, 1) == nil && backward(b, accumulating: true, 1) == nil && p.gradient == [2, 2])
  }
}
