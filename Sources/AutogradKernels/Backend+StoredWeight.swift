public import CAutogradKernels

// INVARIANT: as in Backend+Multiply.swift; the weight has n rows of k numbers, in panels of the instruction set's
// width, which live until the call returns.

extension Backend {
  /// Computes C = A·Wᵀ with a stored weight W [n, k] and finishes each element with `epilogue`.
  ///
  /// Few rows read each panel once and make its numbers in registers: as fast as memory is. For many rows, numbers are
  /// unpacked for the tiles of `multiply`, or read where they lie, if they are as packing would leave them. Both ways,
  /// and any number of rows, give the same bits.
  ///
  /// Shapes: A [m, k], C [m, n] with rows `cStride` apart.
  ///
  /// - Returns: False where there was no memory for scratch, and nothing was done.
  @discardableResult @unsafe public func multiply(
    m: Int, _ a: MatrixView, by weight: ck_weight, into c: UnsafeMutableRawPointer, cStride: Int,
    epilogue: ck_epilogue? = nil, mode: ProductMode = .exact
  ) -> Bool {
    guard m > 0, unsafe weight.n > 0 else { return true }
    if mode == .integer, unsafe ck_weight_layout_of(weight.format).head > 0 {
      return unsafe multiplyIntegers(m: m, a, by: weight, into: c, cStride: cStride, epilogue: epilogue)
    }
    let pairs = usesPairs(.float32, mode.precision), rounds = mode == .bfloat16 && !pairs
    if m <= Backend.fewRows, !rounds {
      return unsafe multiplyFewRows(
        m: m, a, by: weight, into: c, cStride: cStride, epilogue: epilogue, precision: mode.precision)
    }
    return unsafe withUnsafePointer(to: weight) { pointer in
      // Panels have no strides: the kernel finds its way.
      let panels = unsafe MatrixView(weight.panels, rowStride: 0, columnStride: 0)
      return unsafe multiply(
        m: m, n: weight.n, k: weight.k, a, panels, into: c, cStride: cStride, epilogue: epilogue, weight: pointer,
        .float32, precision: mode.precision)
    }
  }

  /// Computes C = A·W with a stored weight W [n, k], or adds it: the gradient that passes through the weight. Each
  /// thread unpacks the inputs that it multiplies with, turned around on the way.
  ///
  /// Shapes: A [m, n], C [m, k] with rows `cStride` apart.
  ///
  /// - Returns: False where there was no memory for scratch, and nothing was done.
  @discardableResult @unsafe public func multiply(
    m: Int, _ a: MatrixView, through weight: ck_weight, into c: UnsafeMutableRawPointer, cStride: Int,
    accumulate: Bool, precision: MatmulPrecision
  ) -> Bool {
    unsafe withUnsafePointer(to: weight) { pointer in
      let panels = unsafe MatrixView(weight.panels, rowStride: 0, columnStride: 0)
      return unsafe multiply(
        m: m, n: weight.k, k: weight.n, a, panels, into: c, cStride: cStride, accumulate: accumulate, weight: pointer,
        isTurned: true, .float32, precision: precision)
    }
  }

  /// Up to so many rows are multiplied without unpacking anything.
  private static let fewRows = 8

  /// Rows in 8 bits at a time.
  private static let mostQuantizedRows = 512

  @unsafe private func multiplyFewRows(
    m: Int, _ a: MatrixView, by weight: ck_weight, into c: UnsafeMutableRawPointer, cStride: Int,
    epilogue: ck_epilogue?, precision: MatmulPrecision
  ) -> Bool {
    var product = unsafe ck_weight_rows()
    unsafe product.weight = weight
    unsafe (product.a, product.a_row, product.a_k, product.m) = (a.start, a.rowStride, a.columnStride, m)
    unsafe (product.c, product.c_stride) = (c, cStride)
    if let epilogue = unsafe epilogue { unsafe (product.has_epilogue, product.epilogue) = (1, epilogue) }
    if usesPairs(.float32, precision) {
      let mr = unsafe table(.float32).mr, steps = unsafe (weight.k + 1) / 2
      guard let (packed, _) = unsafe shared(bytes: mr * steps * 4, perThread: 0) else { return false }
      let rows = unsafe ck_operand(start: a.start, stride: a.rowStride, k_stride: a.columnStride, count: m)
      let pack = unsafe ck_gemm_pack(operand: rows, packed: packed, k: weight.k, is_b: 0, rounds: 0)
      unsafe run(pack, .float32, count: 1, grain: 1, precision: precision)
      unsafe (product.a, product.a_row, product.a_k) = (UnsafeRawPointer(packed), 1, mr)
    }
    if plannedWorkspace != nil { return true }
    unsafe run(product, .float32, count: panelCount(weight), grain: panelGrain(weight, m), precision: precision)
    return true
  }

  @unsafe private func multiplyIntegers(
    m: Int, _ a: MatrixView, by weight: ck_weight, into c: UnsafeMutableRawPointer, cStride: Int,
    epilogue: ck_epilogue?
  ) -> Bool {
    let blocks = unsafe weight.k / Int(CK_WEIGHT_BLOCK), most = min(m, Backend.mostQuantizedRows)
    let bytes = most * blocks * MemoryLayout<ck_quants>.stride
    guard let (quants, _) = unsafe shared(bytes: bytes, perThread: 0) else { return false }
    for first in stride(from: 0, to: m, by: most) {
      let count = min(most, m - first)
      let rows = unsafe ck_quantize(
        y: quants.assumingMemoryBound(to: ck_quants.self), x: a.start + first * a.rowStride * 4, x_stride: a.rowStride,
        k: weight.k)
      unsafe runRows(rows, .float32, count: count, columns: weight.k)
      var product = unsafe ck_weight_integers()
      unsafe (product.weight, product.a, product.m) = (weight, UnsafePointer(rows.y), count)
      unsafe (product.c, product.c_stride) = (c + first * cStride * 4, cStride)
      if let epilogue = unsafe epilogue {
        unsafe product.has_epilogue = 1
        unsafe product.epilogue = epilogue.from(row: first, column: 0, cStride: cStride, elementBytes: 4)
      }
      unsafe run(product, .float32, count: panelCount(weight), grain: panelGrain(weight, count))
    }
    return true
  }

  @unsafe private func panelCount(_ weight: ck_weight) -> Int {
    let width = unsafe table(.float32).nr
    return unsafe (weight.n + width - 1) / width
  }

  /// Panels that a thread takes at a time: a few, or all where there is too little to share.
  @unsafe private func panelGrain(_ weight: ck_weight, _ m: Int) -> Int {
    let panels = unsafe panelCount(weight)
    return unsafe m * weight.n * weight.k < ProductCut.leastDealt ? panels : max(4, panels / (pool.threadCount * 4))
  }
}
