import AutogradKernels
import AutogradTestSupport
import Testing

import AutogradEngine

/// A gradient passes through a stored weight as through the numbers that it stands for.
@Suite("Gradients through stored weights")
struct StoredWeightGradientTests {
  /// Rows, outputs and inputs: panels that are cut off, and more outputs than are unpacked at a time.
  private static let sizes = [(1, 1, 32), (5, 33, 64), (17, 130, 96), (3, 4500, 256), (40, 70, 1056), (9, 70, 768)]

  private func gradients(
    _ weight: Parameter<Float>, _ x: Tensor<Float>, _ backend: Backend, _ mode: ProductMode,
    _ body: (Tape<Float>, Variable<Float>) -> Variable<Float>
  ) -> [Float] {
    let tape = Tape<Float>(backend: backend), input = Parameter(x)
    tape.productMode = mode
    weight.isTrainable = false
    return tape.step { tape in
      let loss = body(tape, tape.variable(input))
      loss.backward()
      return loss.array
    } + input.gradient.elements
  }

  @Test("have the bits of the numbers' gradients", arguments: sizes, [ProductMode.exact, .bfloat16])
  func sameBits(_ size: (m: Int, n: Int, k: Int), _ mode: ProductMode) {
    let x: Tensor<Float> = randomTensor([size.m, size.k], seed: 1)
    let seeds: Tensor<Float> = randomTensor([size.m, size.n], seed: 2)
    forEachInstructionSet { backend in
      for format in WeightFormat.all where size.k % format.blockLength == 0 {
        let sample = StoredWeightSample(format, outputs: size.n, inputs: size.k, seed: 3, set: backend.instructionSet)
        let results = [sample.parameter, sample.plain].map { weight in
          gradients(weight, x, backend, mode) { tape, x in
            // Twice, so that the second adds to the first.
            let y = x.linear(weight, activation: .silu) * x.linear(weight)
            return (y * tape.input(seeds)).sum()
          }
        }
        expectSameBits(results[0], results[1], "\(format), \(backend.instructionSet), \(mode), \(size)")
      }
    }
  }

  @Test("of gates and of the head's loss, too", arguments: WeightFormat.all)
  func others(_ format: WeightFormat) {
    let x: Tensor<Float> = randomTensor([600, 256], seed: 4)
    forEachInstructionSet { backend in
      let sample = StoredWeightSample(format, outputs: 70, inputs: 256, seed: 5, set: backend.instructionSet)
      let gated = [sample.parameter, sample.plain].map { weight in
        gradients(weight, x, backend, .exact) { $1.gatedLinear(weight, gate: .silu).sum() }
      }
      expectSameBits(gated[0], gated[1], "gate, \(format), \(backend.instructionSet)")
      let losses = [sample.parameter, sample.plain].map { weight in
        gradients(weight, x, backend, .exact) { tape, x in
          x.linearCrossEntropy(weight, tape.tokens((0..<600).map { Int32($0 * 7 % 70) }))
        }
      }
      expectSameBits(losses[0], losses[1], "loss, \(format), \(backend.instructionSet)")
    }
  }

  @Test("a gradient passes through the numbers where forward multiplies integers, too")
  func integers() {
    let x: Tensor<Float> = randomTensor([40, 512], seed: 8), seeds: Tensor<Float> = randomTensor([40, 70], seed: 9)
    forEachInstructionSet { backend in
      for format in WeightFormat.all where format.isQuantized {
        let weight = StoredWeightSample(format, outputs: 70, inputs: 512, seed: 10, set: backend.instructionSet).parameter
        let results = [ProductMode.exact, .integer].map { mode in
          gradients(weight, x, backend, mode) { tape, x in (x.linear(weight) * tape.input(seeds)).sum() }
        }
        expectSameBits(Array(results[0].dropFirst()), Array(results[1].dropFirst()), "\(format), \(backend.instructionSet)")
        #expect(results[0][0] != results[1][0])
      }
    }
  }

  @Test("any number of threads makes the same bits, and the plan counts what is unpacked")
  func threadsAndPlan() {
    let x: Tensor<Float> = randomTensor([64, 512], seed: 6)
    let results = [1, 2, 3, 5].map { threads in
      let backend = Backend(pool: ThreadPool(threads: threads))
      let weight = StoredWeightSample(.q4_1, outputs: 3000, inputs: 512, seed: 7, set: backend.instructionSet).parameter
      let tape = Tape<Float>(backend: backend), input = Parameter(x)
      let plan = tape.plan { tape in tape.variable(input).linear(weight).sum().backward() }
      tape.step { tape in tape.variable(input).linear(weight).sum().backward() }
      #expect(tape.statistics.peak == plan.arenaBytes)
      return input.gradient.elements
    }
    for result in results { expectSameBits(result, results[0], "threads") }
  }
}
