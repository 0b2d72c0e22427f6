import AutogradEngine
import AutogradBase
import CAutogradKernels
import AutogradKernels
import AutogradTestSupport
import Testing

@Suite("Products")
struct ProductTests {
  /// Around the register tiles' and the vectors' edges, and across a block of k (1024 floats, 512 doubles).
  static let sizes = [
    (1, 1, 1), (1, 17, 5), (2, 3, 4), (3, 16, 7), (4, 31, 8), (5, 32, 9), (6, 33, 16), (7, 15, 1),
    (13, 47, 3),
    (14, 48, 17), (15, 49, 31), (28, 8, 2), (29, 63, 33), (31, 65, 5), (1, 100, 513), (3, 5, 1025),
    (17, 1, 200),
    (43, 97, 29), (2, 33, 2049),
  ]

  @Test("every element is the chain of the rules, bit for bit, in all layouts", arguments: sizes)
  func chains(m: Int, n: Int, k: Int) {
    for (left, right) in [(false, false), (false, true), (true, false), (true, true)] {
      chains(Product<Float>(m, n, k, left, right))
      chains(Product<Double>(m, n, k, left, right))
    }
  }

  private func chains<S: TensorScalar>(_ product: Product<S>) {
    let c: [S] = randomTensor([product.m * product.n], seed: 3).elements
    forEachInstructionSet { backend in
      let what = "\(product.what), \(backend.instructionSet)"
      expectSameBits(product.run(backend), product.chain(backend.instructionSet), what)
      expectSameBits(
        product.run(backend, onto: c), product.chain(backend.instructionSet, onto: c), "\(what), adding")
    }
  }

  @Test("the error stays below the bound for a sum of k products", arguments: [1, 10, 100, 1000])
  func error(k: Int) {
    let product = Product<Float>(5, 7, k)
    forEachInstructionSet { backend in
      for (place, value) in product.run(backend).enumerated() {
        let terms = (0..<k).map { Double(product.left(place / 7, $0)) * Double(product.right($0, place % 7)) }
        let bound = Double(k + 1) * Double(Float.ulpOfOne) * terms.reduce(0) { $0 + abs($1) }
        #expect(abs(Double(value) - terms.reduce(0, +)) <= bound)
      }
    }
  }

  @Test("no terms: zeros, or C as it was; no elements: nothing happens")
  func empty() {
    forEachInstructionSet { backend in
      let none = Product<Float>(3, 5, 0)
      #expect(none.run(backend) == [Float](repeating: 0, count: 15))
      #expect(none.run(backend, onto: [Float](repeating: 7, count: 15)) == [Float](repeating: 7, count: 15))
      #expect(Product<Float>(0, 5, 3).run(backend) == [])
      #expect(Product<Float>(3, 0, 3).run(backend) == [])
    }
  }

  @Test("a row does not depend on the rows around it", arguments: [1, 2, 13, 14, 15, 100, 170])
  func rows(m: Int) {
    let all = Product<Float>(170, 90, 130)
    forEachInstructionSet { backend in
      let expected = Array(all.run(backend)[0..<m * 90])
      let some = backend.multiply(m: m, n: 90, k: 130, Array(all.a[0..<m * 130]), all.b)
      expectSameBits(some, expected, "\(backend.instructionSet)")
    }
  }

  @Test("a result that passes by the caches is the same, where rows lie on cache lines and where they do not")
  func passing() {
    passing(Float.self, columns: [512, 544, 570, 571])
    passing(Double.self, columns: [512, 528, 541])
  }

  private func passing<S: TensorScalar>(_ type: S.Type, columns: [Int]) {
    let pools = [1, 2, 3].map { ThreadPool(threads: $0) }
    for n in columns {
      // Just large enough to pass.
      let m = (2 << 20) / (n * MemoryLayout<S>.stride) + 1
      for set in InstructionSet.available {
        let product = Product<S>(m, n, 2), expected = product.run(Backend(instructionSet: set))
        for pool in pools {
          let actual = product.run(Backend(instructionSet: set, pool: pool), sumsOverRows: true)
          expectSameBits(actual, expected, "\(product.what), \(set), \(pool.threadCount) threads")
        }
      }
    }
  }

  @Test("1, 2, 3, 5 and 8 threads give the same bits")
  func threads() {
    let pools = [1, 2, 3, 5, 8].map { ThreadPool(threads: $0) }
    for (m, n, k) in [(200, 210, 400), (7, 500, 300), (500, 9, 100), (64, 64, 64)] {
      for set in InstructionSet.available {
        let product = Product<Float>(m, n, k)
        let results = pools.map { product.run(Backend(instructionSet: set, pool: $0)) }
        for result in results.dropFirst() { expectSameBits(result, results[0], "\(product.what), \(set)") }
      }
    }
  }

  @Test("a sum over many rows is that of two chains, whatever the threads", arguments: [256, 301, 1025])
  func halves(k: Int) {
    let pools = [1, 2, 3, 8].map { ThreadPool(threads: $0) }
    for (m, n) in [(40, 70), (70, 40), (3, 100), (1, 1)] {
      for set in InstructionSet.available {
        let product = Product<Float>(m, n, k, true, false), expected = product.halves(set)
        for pool in pools {
          let actual = product.run(Backend(instructionSet: set, pool: pool), sumsOverRows: true)
          expectSameBits(actual, expected, "\(product.what), \(set), \(pool.threadCount) threads")
        }
      }
    }
  }

  @Test("a sum over rows onto C is the same two chains, the first from C: onto zeros, the bits of a new one")
  func halvesOnto() {
    let product = Product<Float>(40, 70, 300, true, false), zeros = [Float](repeating: 0, count: 40 * 70)
    let c: [Float] = randomTensor([40 * 70], seed: 3).elements
    for threads in [1, 2, 3] {
      let backend = Backend(pool: ThreadPool(threads: threads)), set = backend.instructionSet
      expectSameBits(product.run(backend, onto: c, sumsOverRows: true), product.halves(set, onto: c), product.what)
      expectSameBits(product.run(backend, onto: zeros, sumsOverRows: true), product.halves(set), "onto zeros")
    }
  }

  @Test("a sum over rows into a large C, or over few rows, stays one chain")
  func noHalves() {
    let (backend, set) = (Backend(), Backend().instructionSet)
    let large = Product<Float>(270, 270, 256, true, false), few = Product<Float>(20, 30, 255, true, false)
    expectSameBits(large.run(backend, sumsOverRows: true), large.chain(set), large.what)
    expectSameBits(few.run(backend, sumsOverRows: true), few.chain(set), few.what)
  }

  @Test("an operand that is packed in blocks is finished in each of them")
  func blocks() {
    // Rows of A are common to all, and more than one block of them.
    let backend = Backend(pool: ThreadPool(threads: 3)), (m, n, k) = (1540, 1600, 512)
    let bias: [Double] = randomTensor([n], seed: 4).elements
    let residual: [Double] = randomTensor([m * n], seed: 5).elements
    let product = Product<Double>(m, n, k)
    let plain = product.run(backend)
    let finished = bias.withUnsafeBytes { bias in
      residual.withUnsafeBytes { residual in
        let epilogue = ck_epilogue(
          bias: bias.baseAddress, preactivation: nil, activation: -1, residual: residual.baseAddress,
          gated: nil)
        return product.run(backend, epilogue: epilogue)
      }
    }
    expectSameBits(finished, plain.indices.map { plain[$0] + bias[$0 % n] + residual[$0] }, product.what)
    // The same with columns of B common: C transposed.
    let other = backend.multiply(m: n, n: m, k: k, product.b, transposedA: true, product.a, transposedB: true)
    expectSameBits(plain, plain.indices.map { other[$0 % n * m + $0 / n] }, "transposed")
  }

  @Test(
    "the epilogue gives the bits of its parts", arguments: [-1, 0, 1, 2, 5],
    [(true, true), (true, false), (false, true)])
  func epilogue(activation: Int, parts: (bias: Bool, residual: Bool)) {
    epilogue(Float.self, activation, parts)
    epilogue(Double.self, activation, parts)
  }

  private func epilogue<S: TensorScalar>(
    _ type: S.Type, _ activation: Int, _ parts: (bias: Bool, residual: Bool)
  ) {
    // 401 terms: more than one block of k, of which only the last finishes.
    for (m, n, k) in [(5, 33, 3), (15, 50, 401), (3, 4, 0)] {
      let product = Product<S>(m, n, k)
      let bias: [S] = randomTensor([n], seed: 4).elements,
        residual: [S] = randomTensor([m * n], seed: 5).elements
      var kept = [S](repeating: .nan, count: m * n)
      forEachInstructionSet { backend in
        let result = bias.withUnsafeBytes { bias in
          residual.withUnsafeBytes { residual in
            kept.withUnsafeMutableBytes { kept in
              product.run(
                backend,
                epilogue: ck_epilogue(
                  bias: parts.bias ? bias.baseAddress : nil, preactivation: kept.baseAddress,
                  activation: Int32(activation), residual: parts.residual ? residual.baseAddress : nil,
                  gated: nil))
            }
          }
        }
        var expected = product.run(backend)
        if parts.bias { for place in expected.indices { expected[place] += bias[place % n] } }
        expectSameBits(kept, expected, "before the activation")
        if activation >= 0 { expected = backend.unary(ck_unary_op(rawValue: UInt32(activation)), expected) }
        if parts.residual { for place in expected.indices { expected[place] += residual[place] } }
        expectSameBits(
          result, expected, "\(product.what), \(activation), \(parts), \(backend.instructionSet)")
      }
    }
  }
}
