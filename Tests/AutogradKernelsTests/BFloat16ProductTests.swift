import AutogradEngine
import CAutogradKernels
import AutogradKernels
import AutogradTestSupport
import Testing

/// The nearest bfloat16, ties to even; subnormal numbers become zeros.
private func rounded(_ x: Float) -> Float {
  if x.isNaN || x.isInfinite { return x }
  if abs(x) < .leastNormalMagnitude { return x.sign == .minus ? -0.0 : 0 }
  let bits = x.bitPattern
  return Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
}

@Suite("Products in bfloat16")
struct BFloat16ProductTests {
  /// A product of rounded operands, and how far a sum of k terms may be off.
  private func expected(_ product: Product<Float>, _ place: Int) -> (value: Double, bound: Double) {
    let (i, j) = (place / product.n, place % product.n)
    let terms = (0..<product.k).map { Double(rounded(product.left(i, $0))) * Double(rounded(product.right($0, j))) }
    return (terms.reduce(0, +), Double(product.k + 1) * Double(Float.ulpOfOne) * terms.reduce(0) { $0 + abs($1) })
  }

  @Test("the operands are rounded, the sums are float's, in all layouts", arguments: ProductTests.sizes + [(3, 5, 4097)])
  func sums(m: Int, n: Int, k: Int) {
    for (left, right) in [(false, false), (false, true), (true, false), (true, true)] {
      let product = Product<Float>(m, n, k, left, right)
      forEachInstructionSet { backend in
        for (place, value) in product.run(backend, precision: .bfloat16).enumerated() {
          let (expected, bound) = expected(product, place)
          guard abs(Double(value) - expected) <= bound else {
            Issue.record("\(product.what), \(backend.instructionSet), element \(place): \(value), expected \(expected)")
            return
          }
        }
      }
    }
  }

  @Test("ties go to even, subnormal numbers count as zero, NaN and ∞ stay")
  func rounding() {
    let halfway = Float(bitPattern: 0x3F80_8000), aboveHalfway = Float(bitPattern: 0x3F81_8000)
    let values: [Float] = [
      halfway, aboveHalfway, -halfway, .leastNormalMagnitude / 2, .infinity, -.infinity, .nan, 3.0e38,
      .leastNormalMagnitude, 1 - .ulpOfOne,
    ]
    forEachInstructionSet { backend in
      for value in values {
        let product = backend.multiply(m: 1, n: 1, k: 1, [value], [Float(1)], precision: .bfloat16)[0]
        #expect(product == rounded(value) || (product.isNaN && value.isNaN), "\(value), \(backend.instructionSet)")
      }
    }
  }

  @Test("a row does not depend on the rows around it, nor a sum on threads or on where it is added", arguments: [1, 15, 100])
  func rows(m: Int) {
    let all = Product<Float>(170, 90, 2100)
    forEachInstructionSet { backend in
      let whole = all.run(backend, precision: .bfloat16)
      let some = backend.multiply(m: m, n: 90, k: 2100, Array(all.a[0..<m * 2100]), all.b, precision: .bfloat16)
      expectSameBits(some, Array(whole[0..<m * 90]), "\(backend.instructionSet)")
      let one = Backend(instructionSet: backend.instructionSet, pool: ThreadPool(threads: 1))
      let halves = all.run(one, sumsOverRows: true, precision: .bfloat16)
      for threads in [2, 3, 8] {
        let backend = Backend(instructionSet: backend.instructionSet, pool: ThreadPool(threads: threads))
        expectSameBits(all.run(backend, precision: .bfloat16), whole, "\(threads) threads")
        expectSameBits(
          all.run(backend, sumsOverRows: true, precision: .bfloat16), halves, "by halves, \(threads) threads")
      }
      let zeros = [Float](repeating: 0, count: whole.count)
      expectSameBits(all.run(backend, onto: zeros, precision: .bfloat16), whole, "added to zeros")
    }
  }

  @Test("products of Double know one way only")
  func double() {
    let product = Product<Double>(5, 7, 9)
    forEachInstructionSet { backend in
      expectSameBits(product.run(backend, precision: .bfloat16), product.run(backend), "\(backend.instructionSet)")
    }
  }
}
