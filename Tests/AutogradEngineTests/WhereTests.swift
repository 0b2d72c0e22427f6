import AutogradKernels
import AutogradTestSupport
import Testing

import AutogradEngine

/// What the registry cannot say: constants, ties, NaN, infinities, and lists of variables.
@Suite("Comparisons and choice by a mask")
struct WhereTests {
  let tape = Tape<Double>()

  private func vector(_ numbers: Double...) -> Tensor<Double> { Tensor(shape: [numbers.count], numbers) }

  @Test("comparisons give 0 and 1, and let no gradient through")
  func comparisons() {
    let a = Parameter(vector(1, 2, 3, .nan)), b = Parameter<Double>([2, 2, 2, 2])
    tape.step { tape in
      let x = tape.variable(a), y = tape.variable(b)
      #expect((x .< y).array == [1, 0, 0, 0])
      #expect((x .<= y).array == [1, 1, 0, 0])
      #expect((x .> y).array == [0, 0, 1, 0])
      #expect((x .>= y).array == [0, 1, 1, 0])
      #expect((x .== y).array == [0, 1, 0, 0])
      #expect((x .!= y).array == [1, 0, 1, 1])
      #expect((x .< 2).array == [1, 0, 0, 0])
      #expect((x .<= 2).array == [1, 1, 0, 0])
      #expect((x .> 2).array == [0, 0, 1, 0])
      #expect((x .>= 2).array == [0, 1, 1, 0])
      #expect((x .== 2).array == [0, 1, 0, 0])
      #expect((x .!= 2).array == [1, 0, 1, 1])
      let square = tape.input([[1], [3]]) .> tape.input([0, 2])
      #expect(square.shape == [2, 2] && square.array == [1, 0, 1, 1])
      ((x .< y) * y + y).sum().backward()
    }
    #expect(b.gradient == [2, 1, 1, 1])
  }

  @Test("a choice keeps every bit of what it takes, and no gradient of what it leaves")
  func choice() {
    let a = Parameter(vector(-0.0, .infinity, .nan, 4)), b = Parameter(vector(.nan, -0.0, 5, -.infinity))
    tape.step { tape in
      let y = tape.variable(a).replacing(with: tape.variable(b), where: tape.input(vector(0, -3, .nan, 0)))
      #expect(y.array[0] == 0 && y.array[0].sign == .minus && y.array[1] == 0 && y.array[1].sign == .minus)
      #expect(y.array[2] == 5 && y.array[3] == 4)
      (y * tape.input([10, 20, 30, 40])).sum().backward()
    }
    #expect(a.gradient == [10, 0, 0, 40] && b.gradient == [0, 20, 30, 0])
  }
}
