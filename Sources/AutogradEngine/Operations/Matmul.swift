import CAutogradKernels
import AutogradKernels

// Matrix product C = op(A)·op(B), op transposing the last two axes where asked; axes before them broadcast.
//   d op(A) = dC·op(B)ᵀ,   d op(B) = op(A)ᵀ·dC, each summed over the batches along which the operand repeated.
// 2·m·n·k flops per batch forward, twice that backward. Keeps nothing but the operands.
//
// INVARIANT: as in TapeCore+Kernels.swift.

/// The shapes of one product, worked out once for forward and backward.
private struct Product {
  let m, n, k: Int
  /// The broadcast axes before the matrices, and the operands' strides over them.
  let batch: Shape
  let aStrides, bStrides: InlineArray<8, Int>
  let aTransposed, bTransposed: Bool

  init(_ a: Shape, _ b: Shape, _ aTransposed: Bool, _ bTransposed: Bool) throws(Misuse) {
    guard a.rank >= 2, b.rank >= 2 else {
      throw Misuse("matmul", "expected matrices, got shapes \(a) and \(b)", hint: "reshape vectors to [1, n] or [n, 1]")
    }
    (m, k) = aTransposed ? (a[-1], a[-2]) : (a[-2], a[-1])
    let (inner, n) = bTransposed ? (b[-1], b[-2]) : (b[-2], b[-1])
    guard inner == k else {
      throw Misuse(
        "matmul", "shapes \(a)\(aTransposed ? "ᵀ" : "") and \(b)\(bTransposed ? "ᵀ" : "") do not fit: "
          + "\(k) columns against \(inner) rows",
        hint: "the left's columns must equal the right's rows; transpose one of them")
    }
    self.n = n
    let aBatch = a.droppingLast().droppingLast(), bBatch = b.droppingLast().droppingLast()
    batch = try Shape.broadcast(aBatch, bBatch, "matmul")
    aStrides = aBatch.strides(broadcastTo: batch)
    bStrides = bBatch.strides(broadcastTo: batch)
    self.aTransposed = aTransposed
    self.bTransposed = bTransposed
  }

  /// Which matrix of an operand batch `index` uses, and whether an earlier batch used it already.
  func matrix(_ index: Int, _ strides: InlineArray<8, Int>) -> (offset: Int, seen: Bool) {
    var rest = index, offset = 0, seen = false
    for axis in stride(from: batch.rank - 1, through: 0, by: -1) {
      let position = rest % batch.lengths[axis]
      rest /= batch.lengths[axis]
      offset += position * strides[axis]
      if strides[axis] == 0 && position > 0 { seen = true }
    }
    return (offset, seen)
  }

  /// One right matrix for all batches of an untransposed left operand: then the batches are rows of one product.
  var folds: Bool { batch.count > 1 && !aTransposed && (0..<batch.rank).allSatisfy { bStrides[$0] == 0 } && aIsWhole }

  private var aIsWhole: Bool { (0..<batch.rank).allSatisfy { aStrides[$0] != 0 || batch.lengths[$0] == 1 } }
}

package extension TapeCore {
  func matmul(_ a: Slot, _ b: Slot, transposingA: Bool, transposingB: Bool) throws(Misuse) -> Slot {
    let product = try Product(nodes[a].shape, nodes[b].shape, transposingA, transposingB)
    var shape = product.batch
    guard shape.rank + 2 <= Shape.maximumRank else { throw Misuse("matmul", "more than 8 axes") }
    shape.append(product.m)
    shape.append(product.n)
    let y = try result(try shape.validated("matmul"), "matmul", of: a, b)
    let (m, n, k) = (product.m, product.n, product.k)
    if product.folds {
      unsafe multiply(
        m: product.batch.count * m, n: n, k: k, left(a, 0, product), right(b, 0, product), into: data(y), cStride: n)
    } else {
      for index in 0..<product.batch.count {
        let left = unsafe left(a, product.matrix(index, product.aStrides).offset, product)
        let right = unsafe right(b, product.matrix(index, product.bStrides).offset, product)
        unsafe multiply(m: m, n: n, k: k, left, right, into: data(y) + index * m * n * type.size, cStride: n)
      }
    }
    unsafe record(.matmul, a, b, output: y, integers: [transposingA ? 1 : 0, transposingB ? 1 : 0, 0, 0])
    return y
  }

  func matmulBackward(_ record: Record) throws(Misuse) {
    let a = record.inputs[0], b = record.inputs[1]
    let product = try Product(nodes[a].shape, nodes[b].shape, record.integers[0] == 1, record.integers[1] == 1)
    let (m, n, k) = (product.m, product.n, product.k), dy = unsafe gradient(of: record.output)
    let da = unsafe try contribution(to: a, "matmul"), db = unsafe try contribution(to: b, "matmul")
    if product.batch.count == 0 {
      // No product writes to an operand that was to repeat along an empty axis.
      unsafe clear(da, count: nodes[a].shape.count)
      unsafe clear(db, count: nodes[b].shape.count)
    }
    for index in 0..<product.batch.count {
      let dC = unsafe MatrixView(dy + index * m * n * type.size, rowStride: n, columnStride: 1)
      let (aOffset, aSeen) = product.matrix(index, product.aStrides)
      let (bOffset, bSeen) = product.matrix(index, product.bStrides)
      if let da = da {
        let target = unsafe da.target + aOffset * m * k * type.size, right = unsafe right(b, bOffset, product)
        if product.aTransposed {
          unsafe multiply(
            m: k, n: m, k: n, right, dC.transposed, into: target, cStride: m, accumulate: da.adds || aSeen)
        } else {
          unsafe multiply(
            m: m, n: k, k: n, dC, right.transposed, into: target, cStride: k, accumulate: da.adds || aSeen)
        }
      }
      if let db = db {
        let target = unsafe db.target + bOffset * k * n * type.size, left = unsafe left(a, aOffset, product)
        if product.bTransposed {
          unsafe multiply(
            m: n, n: k, k: m, dC.transposed, left, into: target, cStride: k, accumulate: db.adds || bSeen)
        } else {
          unsafe multiply(
            m: k, n: n, k: m, left.transposed, dC, into: target, cStride: n, accumulate: db.adds || bSeen)
        }
      }
    }
  }

  /// op(A) of matrix number `index`.
  private func left(_ a: Slot, _ index: Int, _ p: Product) -> MatrixView {
    let start = unsafe UnsafeRawPointer(data(a)) + index * p.m * p.k * type.size
    return p.aTransposed
      ? unsafe MatrixView(start, rowStride: 1, columnStride: p.m)
      : unsafe MatrixView(start, rowStride: p.k, columnStride: 1)
  }

  /// op(B) of matrix number `index`.
  private func right(_ b: Slot, _ index: Int, _ p: Product) -> MatrixView {
    let start = unsafe UnsafeRawPointer(data(b)) + index * p.k * p.n * type.size
    return p.bTransposed
      ? unsafe MatrixView(start, rowStride: 1, columnStride: p.k)
      : unsafe MatrixView(start, rowStride: p.n, columnStride: 1)
  }
}

extension Variable {
  /// Multiplies matrices: the last two axes are rows and columns, the axes before them broadcast.
  ///
  /// `transposingLeft` and `transposingRight` exchange an operand's last two axes without copying it.
  ///
  /// Shapes: [..., m, k] · [..., k, n] → [..., m, n].
  ///
  /// - Precondition: The inner lengths agree; otherwise stops and prints both shapes.
  /// - Complexity: 2·m·n·k flops per product, twice that backward; keeps the operands.
  public func matmul(
    _ other: some Operand<Scalar>, transposingLeft: Bool = false, transposingRight: Bool = false
  ) -> Variable {
    apply("matmul") { c, x throws(Misuse) in
      try c.matmul(
        x, try other.place(c, "matmul"), transposingA: transposingLeft, transposingB: transposingRight)
    }
  }
}
