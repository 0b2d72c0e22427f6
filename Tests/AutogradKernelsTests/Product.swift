import AutogradEngine
import CAutogradKernels
import AutogradKernels
import AutogradTestSupport

/// One product's operands: op(A) is m × k and op(B) k × n, as stored.
struct Product<S: TensorScalar> {
  let m, n, k: Int
  let transposedA, transposedB: Bool
  let a, b: [S]

  init(_ m: Int, _ n: Int, _ k: Int, _ transposedA: Bool = false, _ transposedB: Bool = false) {
    (self.m, self.n, self.k, self.transposedA, self.transposedB) = (m, n, k, transposedA, transposedB)
    a = randomTensor([m * k], seed: 1).elements
    b = randomTensor([k * n], seed: 2).elements
  }

  func left(_ i: Int, _ p: Int) -> S { transposedA ? a[p * m + i] : a[i * k + p] }
  func right(_ p: Int, _ j: Int) -> S { transposedB ? b[j * k + p] : b[p * n + j] }

  func run(
    _ backend: Backend, onto c: [S]? = nil, epilogue: ck_epilogue? = nil, sumsOverRows: Bool = false,
    precision: MatmulPrecision = .float32
  ) -> [S] {
    backend.multiply(
      m: m, n: n, k: k, a, transposedA: transposedA, b, transposedB: transposedB, onto: c, epilogue: epilogue,
      sumsOverRows: sumsOverRows, precision: precision)
  }

  /// What the rules say, bit for bit: one chain per element, k ascending, from +0 or from C.
  func chain(_ set: InstructionSet, onto c: [S]? = nil) -> [S] {
    (0..<m * n).map { place in
      let (i, j) = (place / n, place % n)
      return (0..<k).reduce(c?[place] ?? 0) { sum, p in
        set == .baseline ? sum + left(i, p) * right(p, j) : sum.addingProduct(left(i, p), right(p, j))
      }
    }
  }

  /// The sum of two chains over the halves of k, the first from +0 or from C, as for a product that sums over rows.
  func halves(_ set: InstructionSet, onto c: [S]? = nil) -> [S] {
    let half = (k + 1) / 2
    return (0..<m * n).map { place in
      [0..<half, half..<k].map { terms in
        terms.reduce(terms.lowerBound == 0 ? c?[place] ?? 0 : 0) { sum, p in
          let (x, y) = (left(place / n, p), right(p, place % n))
          return set == .baseline ? sum + x * y : sum.addingProduct(x, y)
        }
      }.reduce(0, +)
    }
  }

  var what: String { "\(m)×\(n)×\(k) \(S.self), transposed \(transposedA) \(transposedB)" }
}
