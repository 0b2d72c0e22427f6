import AutogradKernels
import AutogradTestSupport
import Testing

import AutogradEngine

@Suite("Stored weights")
struct StoredWeightTests {
  /// Rows, outputs and inputs: around the panels', the register tiles' and the blocks' edges, and across a block of k.
  static let sizes = [
    (1, 1, 32), (1, 33, 64), (2, 70, 96), (3, 31, 32), (4, 64, 128), (5, 100, 32), (7, 17, 64), (8, 129, 32),
    (9, 40, 64), (15, 65, 96), (30, 33, 32), (1, 160, 1056), (6, 40, 2112), (17, 40, 2112),
    (1, 70, 256), (2, 129, 512), (4, 33, 256), (8, 31, 768), (9, 40, 1280), (17, 40, 2304),
  ]

  private func tape(_ backend: Backend, _ mode: ProductMode) -> Tape<Float> {
    let tape = Tape<Float>(backend: backend)
    tape.productMode = mode
    return tape
  }

  /// Formats that hold so many inputs.
  private func formats(_ inputs: Int) -> [WeightFormat] { WeightFormat.all.filter { inputs % $0.blockLength == 0 } }

  @Test("rows are the numbers that were written, as ggml's formulas have them", arguments: WeightFormat.all)
  func numbers(_ format: WeightFormat) {
    for set in InstructionSet.available {
      let block = max(32, format.blockLength)
      let broken = format.isQuantized ? [] : [(40, 1), (3, 37), (65, 50)]
      let sizes = [(1, block), (70, 3 * block), (33, 2 * block)] + broken
      for (outputs, inputs) in sizes {
        let sample = StoredWeightSample(format, outputs: outputs, inputs: inputs, seed: 1, set: set)
        expectSameBits(sample.weight.rows(0..<outputs), sample.numbers, "\(format), \(set), [\(outputs), \(inputs)]")
        #expect(sample.parameter.array == sample.numbers && sample.parameter.shape == [outputs, inputs])
        let row = sample.weight.row(outputs - 1)
        #expect(row == Array(sample.numbers.suffix(inputs)))
      }
    }
  }

  @Test("a weight takes what its blocks take in a file, in whole panels", arguments: WeightFormat.all)
  func size(_ format: WeightFormat) {
    // Of q4_K and q5_K a file has the scales in 6 bits.
    let bits: [String: Double] = [
      "f32": 32, "f16": 16, "bf16": 16, "q8_0": 8.5, "q4_0": 4.5, "q4_1": 5, "q5_0": 5.5, "q5_1": 6,
      "q4_K": 4.625, "q5_K": 5.625, "q6_K": 6.5625,
    ]
    let weight = StoredWeight(format, outputs: 96, inputs: 512)
    #expect(Double(weight.byteCount) == 96 * 512 * bits[format.name]! / 8)
  }

  @Test("products are those of the numbers, bit for bit", arguments: sizes, [ProductMode.exact, .bfloat16])
  func products(_ size: (m: Int, n: Int, k: Int), _ mode: ProductMode) {
    products(size.m, size.n, size.k, mode)
    products(size.m, size.n, size.k - 5, mode)
  }

  private func products(_ m: Int, _ n: Int, _ k: Int, _ mode: ProductMode) {
    let x: Tensor<Float> = randomTensor([m, k], seed: 2), bias: Tensor<Float> = randomTensor([n], seed: 3)
    let residual: Tensor<Float> = randomTensor([m, n], seed: 4)
    forEachInstructionSet { backend in
      for format in formats(k) {
        let sample = StoredWeightSample(format, outputs: n, inputs: k, seed: 5, set: backend.instructionSet)
        let stored = sample.parameter, plain = sample.plain, tape = tape(backend, mode)
        let results = [stored, plain].map { weight in
          tape.step { tape in
            tape.inference {
              let x = tape.input(x)
              let full = x.linear(weight, bias: tape.input(bias), activation: .silu, adding: tape.input(residual))
              return x.linear(weight).array + full.array
            }
          }
        }
        expectSameBits(results[0], results[1], "\(format), \(backend.instructionSet), \(mode), \(m) × \(n) × \(k)")
      }
    }
  }

  @Test("gates and embeddings read them, too", arguments: WeightFormat.all)
  func layers(_ format: WeightFormat) {
    forEachInstructionSet { backend in
      let sample = StoredWeightSample(format, outputs: 70, inputs: 256, seed: 6, set: backend.instructionSet)
      let stored = sample.parameter, plain = sample.plain, tape = tape(backend, .exact)
      let results = [stored, plain].map { weight in
        tape.step { tape in
          tape.inference {
            let rows = tape.tokens([69, 0, 33, 32, 0, 31]).embedding(weight)
            return rows.array + rows.gatedLinear(weight, gate: .silu).array
          }
        }
      }
      expectSameBits(results[0], results[1], "\(format), \(backend.instructionSet)")
    }
  }

  private func elevenBits(_ x: Float) -> Float {
    let unit = x.ulp * 8192
    return (x / unit).rounded(.toNearestOrEven) * unit
  }

  /// The rules of the mode, written down in another way: blocks of x in 8 bits, whole sums, then one chain of blocks.
  private func integerProduct(
    _ x: [Float], _ sample: StoredWeightSample, fused: Bool
  ) -> [Float] {
    let weight = sample.weight, k = weight.inputs
    func added(_ a: Float, _ b: Float, to c: Float) -> Float { fused ? c.addingProduct(a, b) : c + a * b }
    return x.indices.filter { $0 % k == 0 }.flatMap { start in
      (0..<weight.outputs).map { output in
        var sum: Float = 0
        for (index, part) in sample.parts(output).enumerated() {
          let (scale, least, weights) = (part.scale, part.least, part.quants)
          let first = index * weights.count, block = start + first / 32 * 32
          let values = x[block..<block + 32], largest = values.map(abs).max()!
          let quants = values.map { (($0 * (127 / largest)) as Float).rounded(.toNearestOrEven) }
          let dot = zip(quants[(first % 32)...], weights).reduce(Float(0)) { $0 + $1.0 * $1.1 }
          // 11 bits of it.
          let own = elevenBits(largest / 127)
          sum = added(dot, scale * own, to: sum)
          if let least { sum = added(least, own * quants.reduce(0, +), to: sum) }
        }
        return sum
      }
    }
  }

  @Test("integers: sums of blocks are exact, and added in the order that the mode names",
    arguments: WeightFormat.all.filter(\.isQuantized))
  func integers(_ format: WeightFormat) {
    for (m, n, blocks) in [(1, 70, 3), (2, 33, 1), (6, 20, 2), (7, 65, 2), (20, 40, 1)] {
      let k = blocks * format.blockLength
      let x: Tensor<Float> = randomTensor([m, k], seed: 7)
      forEachInstructionSet { backend in
        let sample = StoredWeightSample(format, outputs: n, inputs: k, seed: 8, set: backend.instructionSet)
        let tape = tape(backend, .integer), weight = sample.parameter
        let result = tape.step { tape in tape.inference { tape.input(x).linear(weight).array } }
        let fused = backend.instructionSet != .baseline || !isX86
        let expected = integerProduct(x.elements, sample, fused: fused)
        expectSameBits(result, expected, "\(format), \(backend.instructionSet), \(m) × \(n) × \(k)")
        let exact = Tape<Float>(backend: backend).step { tape in
          tape.inference { tape.input(x).linear(sample.plain).array }
        }
        let size = exact.reduce(0) { $0 + Double($1 * $1) }.squareRoot()
        let error = zip(exact, result).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
        #expect(error < 0.02 * size, "\(format): off by \(error / size)")
      }
    }
  }

  @Test("a row's bits depend neither on the rows beside it nor on threads",
    arguments: WeightFormat.all, ProductMode.allCases)
  func independence(_ format: WeightFormat, _ mode: ProductMode) {
    let m = 24, n = 300, k = format.blockLength == 256 ? 256 : 160, x: Tensor<Float> = randomTensor([m, k], seed: 9)
    let pools = [1, 2, 3, 5].map { ThreadPool(threads: $0) }
    for set in InstructionSet.available {
      let weight = StoredWeightSample(format, outputs: n, inputs: k, seed: 10, set: set).parameter
      var all: [Float]?
      for pool in pools {
        let tape = tape(Backend(instructionSet: set, pool: pool), mode)
        for rows in [1, 2, 5, 8, 9, m] {
          var result: [Float] = []
          for first in stride(from: 0, to: m, by: rows) {
            let count = min(rows, m - first)
            let part = Tensor(shape: [count, k], Array(x.elements[first * k..<(first + count) * k]))
            result += tape.step { tape in tape.inference { tape.input(part).linear(weight).array } }
          }
          expectSameBits(result, all ?? result, "\(format), \(set), \(mode), \(pool.threadCount) threads, \(rows) rows")
          all = all ?? result
        }
      }
    }
  }

  @Test("NaN and infinity in a row stay in it", arguments: WeightFormat.all, ProductMode.allCases)
  func specials(_ format: WeightFormat, _ mode: ProductMode) {
    forEachInstructionSet { backend in
      let weight = StoredWeightSample(format, outputs: 40, inputs: 256, seed: 11, set: backend.instructionSet).parameter
      var x: Tensor<Float> = randomTensor([3, 256], seed: 12)
      x[1, 40] = .nan
      x[2, 3] = .infinity
      let tape = tape(backend, mode)
      let result = tape.step { tape in tape.inference { tape.input(x).linear(weight).array } }
      #expect(result[..<40].allSatisfy { $0.isFinite }, "\(backend.instructionSet)")
      #expect(result[40..<80].allSatisfy { $0.isNaN }, "\(backend.instructionSet)")
      #expect(result[80...].allSatisfy { !$0.isFinite }, "\(backend.instructionSet)")
    }
  }

  @Test("a plan counts a step's memory to the byte", arguments: ProductMode.allCases, [1, 8, 40])
  func plan(_ mode: ProductMode, _ rows: Int) {
    let backend = Backend(pool: singleThread), tape = tape(backend, mode)
    let weight = StoredWeightSample(.q4_1, outputs: 100, inputs: 128, seed: 13, set: backend.instructionSet).parameter
    let plan = tape.plan { tape in tape.inference { _ = tape.plannedInput(shape: [rows, 128]).linear(weight) } }
    let x: Tensor<Float> = randomTensor([rows, 128], seed: 14)
    tape.step { tape in tape.inference { _ = tape.input(x).linear(weight) } }
    #expect(plan.arenaBytes == tape.statistics.peak && plan.workspaceBytes == backend.workspaceBytes)
  }

  @Test("a product mode says how other products multiply, and the other way round")
  func modes() {
    let tape = Tape<Float>()
    #expect(tape.productMode == .exact)
    tape.productMode = .bfloat16
    #expect(tape.matmulPrecision == .bfloat16)
    tape.productMode = .integer
    #expect(tape.matmulPrecision == .float32 && tape.productMode == .integer)
    tape.matmulPrecision = .float32
    #expect(tape.productMode == .exact)
  }
}

private let isX86: Bool = {
  #if arch(x86_64)
    true
  #else
    false
  #endif
}()
