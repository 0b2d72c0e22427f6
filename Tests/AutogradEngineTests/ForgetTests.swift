import Glibc
import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// A stack of norms and wide layers, whose cheap values are kept, or given up as soon as they have served.
private struct Stack<S: TensorScalar> {
  let layers: [(scale: Parameter<S>, shift: Parameter<S>, wide: Parameter<S>, bias: Parameter<S>, narrow: Parameter<S>)]
  let activation: Activation

  init(layers count: Int, channels C: Int, activation: Activation) {
    self.activation = activation
    layers = (0..<count).map { layer in
      func make(_ shape: [Int], _ number: Int) -> Parameter<S> {
        Parameter(randomTensor(shape, .normal, seed: UInt64(layer * 10 + number)))
      }
      return (make([C], 1), make([C], 2), make([4 * C, C], 3), make([4 * C], 4), make([C, 4 * C], 5))
    }
  }

  var parameters: [Parameter<S>] { layers.flatMap { [$0.scale, $0.shift, $0.wide, $0.bias, $0.narrow] } }

  func layer(_ index: Int, _ x: Variable<S>, forgets: Bool) -> Variable<S> {
    let layer = layers[index]
    let normed = x.layerNorm(scale: layer.scale, shift: layer.shift)
    let hidden = normed.linear(layer.wide, bias: layer.bias, activation: activation)
    // Used twice, so that two operations ask for the value in backward.
    let y = hidden.linear(layer.narrow, adding: x) + normed
    if forgets {
      hidden.forget()
      normed.forget()
    }
    return y
  }
}

@Suite("forget") struct ForgetTests {
  private struct Outcome<S: TensorScalar> {
    let loss: S
    let gradients: [Tensor<S>]
    let peak, planned: Int
  }

  private func run<S: TensorScalar>(
    _: S.Type, forgets: Bool, recomputes: Bool = false, activation: Activation = .geluTanh, layers: Int = 4
  ) -> Outcome<S> {
    let stack = Stack<S>(layers: layers, channels: 8, activation: activation)
    let parts = (0..<layers).map { index in Recomputation<S> { stack.layer(index, $0, forgets: forgets) } }
    let input = Parameter<S>(randomTensor([40, 8], .normal, seed: 77))
    let tape = Tape<S>(backend: Backend(pool: singleThread))
    func step() -> S {
      var x = tape.variable(input)
      for index in 0..<layers { x = recomputes ? parts[index](x) : stack.layer(index, x, forgets: forgets) }
      let loss = (x * x).mean()
      loss.backward()
      return loss.value
    }
    let planned = tape.plan { _ in _ = step() }.arenaBytes
    let loss = tape.step { _ in step() }
    return Outcome(
      loss: loss, gradients: (stack.parameters + [input]).map(\.gradient), peak: tape.statistics.peak, planned: planned)
  }

  private func compare<S: TensorScalar>(_ type: S.Type, _ activation: Activation) {
    let kept = run(type, forgets: false, activation: activation)
    for recomputes in [false, true] {
      let forgotten = run(type, forgets: true, recomputes: recomputes, activation: activation)
      #expect(forgotten.loss == kept.loss)
      for (a, b) in zip(forgotten.gradients, kept.gradients) { expectSameBits(a.elements, b.elements, "\(activation)") }
      #expect(forgotten.peak == forgotten.planned)
    }
  }

  @Test("gradients keep their bits, in recomputed parts too, and plans stay exact", arguments: Activation.allCases)
  func sameBits(activation: Activation) {
    compare(Float.self, activation)
    compare(Double.self, activation)
  }

  @Test("a layer more costs neither a norm nor an activation")
  func memory() {
    func perLayer(_ forgets: Bool) -> Int {
      run(Float.self, forgets: forgets, layers: 12).peak - run(Float.self, forgets: forgets, layers: 8).peak
    }
    let rows = 40, channels = 8, layers = 4
    let saved = perLayer(false) - perLayer(true), values = layers * rows * (channels + 4 * channels) * 4
    #expect(saved == values)
  }

  @Test("what cannot be computed again cheaply stays")
  func others() {
    let tape = Tape<Double>(backend: Backend(pool: singleThread))
    let weight = Parameter<Double>(randomTensor([3, 3], .normal, seed: 1))
    tape.step { tape in
      let x = tape.input(randomTensor([2, 3], .normal, seed: 2))
      let product = x.linear(weight), activated = product.linear(weight, activation: .relu, adding: x)
      product.forget()
      activated.forget()
      #expect(product.array.count == 6 && activated.array.count == 6)
      let normed = tape.inference { x.layerNorm() }
      normed.forget()
      #expect(normed.array.count == 6)
    }
  }

  @Test("using a value that was given up stops with a sentence")
  func misuse() async throws {
    setenv("SWIFT_BACKTRACE", "enable=no", 1)
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let weight = Parameter<Float>([[1, 2], [3, 4]])
      Tape<Float>().step { tape in
        let x = tape.input([[5, 6]]).linear(weight, activation: .relu)
        x.forget()
        _ = x + x
      }
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("add: variable whose value was given up; call forget() after everything that uses it"))
  }
}
