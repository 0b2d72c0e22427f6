import AutogradEngine
import AutogradBase
import CAutogradKernels
import Glibc
import AutogradKernels
import AutogradTestSupport
import Testing

#if arch(x86_64)
  /// Against the C library in 80-bit numbers: their own errors are a thousandth of a Double's ulp.
  @Suite("Elementary functions")
  struct ElementaryFunctionTests {
    @Test("exp stays within 1.25 ulps, up to the largest number")
    func exponential() {
      expectUlps(1.25, CK_EXP, floats: sample(-87.336, 88.7228), doubles: sample(-708.39, 709.7827)) {
        expl($0)
      }
      expectUlps(1.25, CK_EXP, floats: sample(-1, 1), doubles: sample(-1, 1)) { expl($0) }
    }

    @Test("log stays within 1 ulp, for subnormal numbers too")
    func logarithm() {
      expectUlps(1, CK_LOG, floats: powers(-103, 88.7), doubles: powers(-744, 709)) { logl($0) }
      expectUlps(1, CK_LOG, floats: sample(0.5, 2), doubles: sample(0.5, 2)) { logl($0) }
    }

    @Test("tanh stays within 3 ulps")
    func hyperbolicTangent() {
      expectUlps(
        3, CK_TANH, floats: powers(-80, 3) + sample(-11, 11), doubles: powers(-700, 3) + sample(-21, 21)
      ) {
        tanhl($0)
      }
    }

    @Test("GELU stays within 2.5 ulps above 0, and within 1.5 roundings of |x| below")
    func gelu() {
      let positive = powers(-80, 3), negative = positive.map { -$0 }
      expectUlps(2.5, CK_GELU_ERF, floats: positive, doubles: positive) { Self.geluErf($0) }
      expectUlps(2.5, CK_GELU_TANH, floats: positive, doubles: positive) { Self.geluTanh($0) }
      expectUlps(1.5, CK_GELU_ERF, floats: negative, doubles: negative, relativeToX: true) {
        Self.geluErf($0)
      }
      expectUlps(1.5, CK_GELU_TANH, floats: negative, doubles: negative, relativeToX: true) {
        Self.geluTanh($0)
      }
    }

    @Test("sigmoid and SiLU stay within 3 ulps, sqrt within a half")
    func sigmoid() {
      let x = sample(-87, 89) + sample(-4, 4), wide = sample(-708, 710) + sample(-4, 4)
      expectUlps(3, CK_SIGMOID, floats: x, doubles: wide) { 1 / (1 + expl(-$0)) }
      expectUlps(3, CK_SILU, floats: sample(-80, 89), doubles: sample(-700, 710)) { $0 / (1 + expl(-$0)) }
      expectUlps(0.5, CK_SQRT, floats: powers(-80, 80), doubles: powers(-700, 700)) { $0.squareRoot() }
    }

    @Test("special values", arguments: [1, 3, 17])
    func special(count: Int) {
      forEachInstructionSet { backend in
        special(count, backend, Float.self)
        special(count, backend, Double.self)
      }
    }

    private func special<S: TensorScalar>(_ count: Int, _ backend: Backend, _ type: S.Type) {
      func expect(_ op: ck_unary_op, _ x: S, _ y: S) {
        expectSameBits(
          backend.unary(op, [S](repeating: x, count: count)), [S](repeating: y, count: count),
          "\(op) of \(x), \(S.self), \(backend.instructionSet)")
      }
      let functions = [
        CK_RELU, CK_GELU_TANH, CK_GELU_ERF, CK_EXP, CK_LOG, CK_TANH, CK_SIGMOID, CK_SILU, CK_SQRT, CK_ABS,
        CK_RELU_SQUARED,
      ]
      for op in functions {
        expect(op, .nan, .nan)
        expect(op, -.nan, .nan)
      }
      let infinity = S.infinity
      expect(CK_EXP, infinity, infinity)
      expect(CK_EXP, -infinity, 0)
      expect(CK_EXP, 0, 1)
      expect(CK_EXP, 1000, infinity)
      expect(CK_EXP, -1000, 0)
      expect(CK_LOG, 0, -infinity)
      expect(CK_LOG, -0.0, -infinity)
      expect(CK_LOG, 1, 0)
      expect(CK_LOG, infinity, infinity)
      expect(CK_LOG, -1, .nan)
      expect(CK_LOG, -infinity, .nan)
      for op in [CK_TANH, CK_GELU_TANH, CK_GELU_ERF] {
        expect(op, 0, 0)
        expect(op, -0.0, -0.0)
      }
      expect(CK_TANH, infinity, 1)
      expect(CK_TANH, -infinity, -1)
      expect(CK_TANH, 50, 1)
      for op in [CK_RELU, CK_GELU_TANH, CK_GELU_ERF] {
        expect(op, infinity, infinity)
        expect(op, 100, 100)
      }
      expect(CK_SIGMOID, infinity, 1)
      expect(CK_SIGMOID, -infinity, 0)
      expect(CK_SIGMOID, 0, 0.5)
      expect(CK_SILU, infinity, infinity)
      expect(CK_SQRT, -1, .nan)
      expect(CK_SQRT, infinity, infinity)
      expect(CK_ABS, -infinity, infinity)
      expect(CK_ABS, -0.0, 0)
      expect(CK_RELU, -3, 0)
      expect(CK_RELU, -infinity, 0)
      expect(CK_RELU_SQUARED, -infinity, 0)
      expect(CK_RELU_SQUARED, -3, 0)
      expect(CK_RELU_SQUARED, 3, 9)
      expect(CK_RELU_SQUARED, infinity, infinity)
    }

    private static func geluErf(_ x: Float80) -> Float80 { 0.5 * x * (1 + erfl(x / Float80(2).squareRoot())) }
    private static func geluTanh(_ x: Float80) -> Float80 {
      0.5 * x * (1 + tanhl((2 / Float80.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    private func sample(_ low: Double, _ high: Double) -> [Double] {
      var random = RandomStream(seed: 1, purpose: .evaluation)
      return (0..<20_000).map { _ in low + (high - low) * random.uniform() }
    }

    /// e to numbers between `low` and `high`: all sizes alike.
    private func powers(_ low: Double, _ high: Double) -> [Double] { sample(low, high).map { Glibc.exp($0) } }

    private func expectUlps(
      _ bound: Double, _ op: ck_unary_op, floats: [Double], doubles: [Double], relativeToX: Bool = false,
      sourceLocation: SourceLocation = #_sourceLocation, _ function: (Float80) -> Float80
    ) {
      expectUlps(bound, op, floats.map { Float($0) }, relativeToX, sourceLocation, function)
      expectUlps(bound, op, doubles, relativeToX, sourceLocation, function)
    }

    private func expectUlps<S: TensorScalar>(
      _ bound: Double, _ op: ck_unary_op, _ x: [S], _ relativeToX: Bool, _ sourceLocation: SourceLocation,
      _ function: (Float80) -> Float80
    ) {
      let expected = x.map { function(Float80($0)) }
      forEachInstructionSet { backend in
        let y = backend.unary(op, x)
        var worst = (error: Float80(0), x: S(0))
        for index in x.indices {
          let unit = S(relativeToX ? Float80(x[index]) : expected[index]).ulp
          let error = abs(Float80(y[index]) - expected[index]) / Float80(unit)
          if !(error <= worst.error) { worst = (error, x[index]) }
        }
        #expect(
          worst.error <= Float80(bound), "\(worst.error) at \(worst.x), \(S.self), \(backend.instructionSet)",
          sourceLocation: sourceLocation)
      }
    }
  }
#endif
