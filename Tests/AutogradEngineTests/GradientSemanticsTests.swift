import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

@Suite("Gradients: what adds, what replaces, what is zero")
struct GradientSemanticsTests {
  let tape = Tape<Double>(backend: Backend(pool: singleThread))
  let x = Parameter<Double>([1, -2, 3])

  @Test("an operand used twice gets both contributions")
  func twice() {
    tape.step { tape in
      let v = tape.variable(x)
      (v + v).sum().backward()
    }
    #expect(x.gradient == [2, 2, 2])
    tape.step { tape in
      let v = tape.variable(x)
      (v * v).sum().backward()
    }
    #expect(x.gradient == [2, -4, 6])
    tape.step { tape in
      let v = tape.variable(x)
      (v - v).sum().backward()
    }
    #expect(x.gradient == [0, 0, 0])
    tape.step { tape in
      let v = tape.variable(x) * 1
      ((v + v) * (v + v) / v).sum().backward()
    }
    #expect(x.gradient == [4, 4, 4])
  }

  @Test("an operand used twice as both matrices of a product")
  func matrixSquared() {
    let a = Parameter<Double>([[1, 2], [3, 4]])
    tape.step { tape in
      let v = tape.variable(a)
      v.matmul(v).sum().backward()
    }
    // d Σ(A·A) = 1·Aᵀ + Aᵀ·1.
    #expect(a.gradient == [[7, 11], [9, 13]])
    tape.step { tape in
      let v = tape.variable(a) * 1
      v.linear(v, adding: v).sum().backward()
    }
    // y = A·Aᵀ + A: d = 1·A + 1ᵀ·A + 1.
    #expect(a.gradient == [[9, 13], [9, 13]])
  }

  @Test("one parameter in two layers, and as scale and shift of one norm, gets the sum")
  func shared() {
    let w = Parameter<Double>([[0.5, -1], [2, 0.25]])
    let report = checkGradients(of: [w, x]) { tape in
      let input = tape.input([[1, 2], [3, -1]])
      return input.linear(w, activation: .tanh).linear(w).matmul(w)
    }
    #expect(report.passes, "\(report)")
    let norm = checkGradients(of: [x]) { tape in
      tape.input([[1, 2, 4], [3, -1, 0]]).layerNorm(scale: x, shift: x)
    }
    #expect(norm.passes, "\(norm)")
  }

  @Test("tied embedding and classifier get the sum of both")
  func tied() {
    let table: Parameter<Double> = Parameter(randomTensor([7, 4], seed: 3))
    let report = checkGradients(of: [table]) { tape in
      let tokens = tape.tokens([1, 6, 6, 0])
      return tokens.embedding(table).tanh().linearCrossEntropy(table, tape.tokens([6, 6, 0, 2]))
    }
    #expect(report.passes, "\(report)")
  }

  @Test("a step replaces the gradient of the step before; accumulating adds to it")
  func accumulating() {
    func step(_ factor: Double, accumulating: Bool) {
      tape.step(accumulating: accumulating) { tape in (tape.variable(x) * factor).sum().backward() }
    }
    step(1, accumulating: false)
    step(2, accumulating: false)
    #expect(x.gradient == [2, 2, 2])
    step(3, accumulating: true)
    step(4, accumulating: true)
    #expect(x.gradient == [9, 9, 9])
    step(5, accumulating: false)
    #expect(x.gradient == [5, 5, 5])
  }

  @Test("the first accumulating step starts afresh, and steps reach different parameters")
  func accumulatingFromNothing() {
    let y = Parameter<Double>([1, 1, 1])
    tape.step(accumulating: true) { tape in tape.variable(x).sum().backward() }
    tape.step(accumulating: true) { tape in (tape.variable(y) * 2).sum().backward() }
    #expect(x.gradient == [1, 1, 1])
    #expect(y.gradient == [2, 2, 2])
  }

  @Test("two backwards in one step add up")
  func twoLosses() {
    tape.step { tape in
      tape.variable(x).sum().backward()
      (tape.variable(x) * 2).sum().backward()
    }
    #expect(x.gradient == [3, 3, 3])
  }

  @Test("a parameter that the last backward did not reach reads zero, and so does a new one")
  func unreached() {
    let y = Parameter<Double>([1, 1, 1])
    #expect(y.gradient == [0, 0, 0])
    tape.step { tape in (tape.variable(x) + tape.variable(y)).sum().backward() }
    #expect(y.gradient == [1, 1, 1])
    tape.step { tape in tape.variable(x).sum().backward() }
    #expect(y.gradient == [0, 0, 0])
    tape.step { tape in (tape.variable(x) * tape.variable(y)).sum().backward() }
    #expect(y.gradient == [1, -2, 3])
  }

  @Test("a frozen parameter gets no gradient, costs no record, and trains again afterwards")
  func frozen() {
    let y = Parameter<Double>([2, 2, 2])
    func step() { tape.step { tape in (tape.variable(x) * tape.variable(y)).sum().backward() } }
    step()
    y.isTrainable = false
    step()
    #expect(y.gradient == [0, 0, 0])
    #expect(x.gradient == [2, 2, 2])
    tape.step { tape in
      let before = tape.core.records.count
      _ = (tape.variable(y) * tape.variable(y)).exp().sum()
      #expect(tape.core.records.count == before)
    }
    y.isTrainable = true
    step()
    #expect(y.gradient == [1, -2, 3])
  }

  @Test("a gradient outlives its tape, whatever other tapes do")
  func otherTapes() {
    func inTapeOfItsOwn(_ parameter: Parameter<Double>, _ factor: Double) {
      let own = Tape<Double>(backend: tape.backend)
      own.step { tape in (tape.variable(parameter) * factor).sum().backward() }
    }
    let y = Parameter<Double>([1])
    inTapeOfItsOwn(x, 5)
    for factor in 1...20 { inTapeOfItsOwn(y, Double(factor)) }
    #expect(x.gradient == [5, 5, 5])
    #expect(y.gradient == [20])
  }

  @Test("a retained gradient is readable, does not disturb the others, and a later backward passes it by")
  func retained() {
    tape.step { tape in
      let v = tape.variable(x), y = v * 2, z = y.reshape([3, 1]), loss = (z * z).sum()
      y.retainGradient()
      z.retainGradient()
      loss.retainGradient()
      loss.backward(seed: 0.5)
      #expect(loss.gradient == Tensor(0.5))
      #expect(z.gradient == [[2], [-4], [6]])
      #expect(y.gradient == [2, -4, 6])
      (v * 3).sum().backward()
      #expect(z.gradient == [[2], [-4], [6]])
    }
    #expect(x.gradient == [7, -5, 15])
  }

  @Test("a second backward is refused also where it only runs into what the first walked")
  func secondBackward() throws {
    let core = tape.core
    try core.beginStep()
    let v = try core.use(x.core)
    let shared = try core.unary(.exp, v)
    let all: UInt8 = 1
    let a = try core.sum(shared, over: all, keeping: false, mean: false, "sum")
    let b = try core.sum(try core.unary(.tanh, shared), over: all, keeping: false, mean: false, "sum")
    try core.backward(from: a, seed: 1)
    for root in [a, b] {
      let error = #expect(throws: Misuse.self) { try core.backward(from: root, seed: 1) }
      #expect(error?.description.contains("walked by an earlier backward") == true)
    }
    try core.endStep()
  }

  @Test("restored gradients are added to by a step that accumulates, on any tape, and replaced by one that does not")
  func restoredGradients() {
    let weight = Parameter<Double>([1, 2, 3])
    let tape = Tape<Double>()
    tape.step { tape in (tape.variable(weight) * tape.input([4, 5, 6])).sum().backward() }
    let saved = weight.gradient.elements
    for restored in [tape, Tape<Double>()] {
      restored.restoreGradients([(weight, saved)])
      #expect(weight.gradient.elements == [4, 5, 6])
      restored.step(accumulating: true) { tape in (tape.variable(weight) * tape.input([10, 20, 30])).sum().backward() }
      #expect(weight.gradient.elements == [14, 25, 36])
      restored.step { tape in (tape.variable(weight) * tape.input([1, 1, 1])).sum().backward() }
      #expect(weight.gradient.elements == [1, 1, 1])
    }
  }
}
