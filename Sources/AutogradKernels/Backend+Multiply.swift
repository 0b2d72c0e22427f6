public import CAutogradKernels

/// A matrix in memory: where it starts and how far apart rows and columns are, in elements. One stride is 1.
@unsafe public struct MatrixView {
  public let start: UnsafeRawPointer
  public let rowStride: Int
  public let columnStride: Int

  public init(_ start: UnsafeRawPointer, rowStride: Int, columnStride: Int) {
    unsafe self.start = start
    unsafe self.rowStride = rowStride
    unsafe self.columnStride = columnStride
  }

  /// The same elements, rows and columns exchanged.
  public var transposed: MatrixView { unsafe MatrixView(start, rowStride: columnStride, columnStride: rowStride) }
}

// INVARIANT: A, B and C have the rows and columns that the caller names, C does not overlap A or B, and each of
// the threads writes tiles of C of its own. The packed operand and each thread's scratch live until `multiply` returns.

extension Backend {
  /// Computes C = A·B, or C += A·B where `accumulate`, and finishes each element with `epilogue`.
  ///
  /// Every element is one chain of fused multiply-adds, k ascending, or the sum of two where the product
  /// `sumsOverRows`; see docs/architecture.md, "Numbers". The way through memory is `ProductCut`'s.
  ///
  /// A product `sumsOverRows` where k runs over the rows of a batch: C is the gradient of a weight. Nobody reads it soon,
  /// so if it is large, it is written past the caches: nothing is read in order to be overwritten, and what lies in
  /// them stays. Unless `inOneChain`, each element may be the sum of two.
  ///
  /// With an `update` the columns of B are rows of a parameter, [n, k], that are updated by it as they are packed;
  /// only where `takesUpdate` says so. With a `weight` they are those of a stored weight, which `b` only begins: its rows,
  /// or its inputs where it is `turned`.
  ///
  /// Shapes: A [m, k], B [k, n], C [m, n] with rows `cStride` apart.
  ///
  /// - Returns: False where there was no memory for scratch, and nothing was done.
  @discardableResult @unsafe public func multiply(
    m: Int, n: Int, k: Int, _ a: MatrixView, _ b: MatrixView, into c: UnsafeMutableRawPointer, cStride: Int,
    accumulate: Bool = false, epilogue: ck_epilogue? = nil, sumsOverRows: Bool = false, inOneChain: Bool = false,
    update: UnsafePointer<ck_rule>? = nil, weight: UnsafePointer<ck_weight>? = nil, isTurned: Bool = false,
    _ type: ElementType, precision: MatmulPrecision = .float32
  ) -> Bool {
    guard m > 0, n > 0 else { return true }
    let size = type.size, way = self.way(type, precision)
    let isWhole = unsafe !accumulate && epilogue == nil
    let cut = unsafe cut(
      m: m, n: n, k: k, mayHalve: sumsOverRows && !inOneChain && epilogue == nil, accumulates: accumulate,
      updates: update != nil, stored: weight == nil ? nil : isTurned ? Int(CK_WEIGHT_BLOCK) : table(type).nr, type, way)
    let rows = unsafe ck_operand(rowsOf: a, count: m), columns = unsafe ck_operand(rowsOf: b.transposed, count: n)
    let (own, allCommon) = unsafe cut.ownsColumns ? (columns, rows) : (rows, columns)
    guard let (packed, scratch) = unsafe shared(bytes: cut.packedBytes, perThread: cut.scratchBytes) else { return false }
    var product = unsafe ck_gemm()
    unsafe product.packed_common = cut.packsTogether ? UnsafeRawPointer(packed) : nil
    unsafe product.owns_columns = cut.ownsColumns ? 1 : 0
    unsafe product.c_stride = cStride
    unsafe product.own_per_tile = cut.ownPerTile
    unsafe product.tiles_per_part = cut.tilesPerPart
    unsafe product.parts = cut.parts
    unsafe product.part_multiple = cut.partMultiple
    unsafe product.rounds = way.rounds
    unsafe product.update = update
    unsafe product.weight = weight
    unsafe product.weight_turned = isTurned ? 1 : 0
    let isOnePass = isWhole && cut.depth >= k && m * n * size >= Backend.passingFrom
    unsafe product.passes_caches = sumsOverRows && isOnePass ? 1 : 0
    if cut.takesHalvesTogether {
      unsafe (product.own, product.common, product.c) = (own, allCommon, c)
      unsafe multiplyHalves(product, cut, k: k, way, scratch)
      return true
    }
    for begin in unsafe stride(from: 0, to: allCommon.count, by: cut.width) {
      let count = unsafe min(cut.width, allCommon.count - begin)
      let row = cut.ownsColumns ? begin : 0, column = cut.ownsColumns ? 0 : begin
      unsafe product.c = c + (row * cStride + column) * size
      if let epilogue = unsafe epilogue {
        unsafe product.epilogue = epilogue.from(row: row, column: column, cStride: cStride, elementBytes: size)
      }
      for first in stride(from: 0, to: max(k, 1), by: cut.depth) {
        unsafe product.k = min(cut.depth, k - first)
        unsafe product.weight_k = first
        unsafe product.own = own.part(from: 0, count: own.count, k: first, elementBytes: size)
        unsafe product.common = allCommon.part(from: begin, count: count, k: first, elementBytes: size)
        unsafe product.onto = first > 0 && cut.halves ? CK_ADDS : accumulate || first > 0 ? CK_CONTINUES : CK_WRITES
        unsafe product.has_epilogue = first + product.k == k && epilogue != nil ? 1 : 0
        if cut.packsTogether {
          unsafe pack(product.common, into: packed, product, cut, way, scratch)
        } else {
          unsafe clearHeads(of: scratch)
        }
        let isSmall = unsafe own.count * count * product.k < ProductCut.leastDealt
        unsafe run(way.multiply, product, units: cut.units, grain: isSmall ? cut.units : 1, scratch)
      }
    }
    return true
  }

  /// Whether the columns of B are the threads' own and packed once, so that weights can be updated on the way.
  public func takesUpdate(m: Int, n: Int, k: Int, _ type: ElementType, precision: MatmulPrecision) -> Bool {
    guard m > 0, n > m, k > 0 else { return false }
    let cut = unsafe cut(
      m: m, n: n, k: k, mayHalve: false, accumulates: false, updates: true, stored: nil, type,
      way(type, precision))
    return cut.ownsColumns && cut.packsOwnOnce
  }

  @unsafe private func cut(
    m: Int, n: Int, k: Int, mayHalve: Bool, accumulates: Bool, updates: Bool, stored: Int?, _ type: ElementType,
    _ way: Way
  ) -> ProductCut {
    unsafe ProductCut(
      m: m, n: n, k: k, mayHalve: mayHalve, accumulates: accumulates, updates: updates, stored: stored,
      tileRows: table(type).mr, tileColumns: table(type).nr, elementBytes: type.size,
      stepLength: way.stepLength, threads: pool.threadCount)
  }

  /// All threads pack the common operand together.
  @unsafe private func pack(
    _ operand: ck_operand, into packed: UnsafeMutableRawPointer, _ product: ck_gemm, _ cut: ProductCut, _ way: Way,
    _ scratch: Scratch
  ) {
    let pack = unsafe ck_gemm_pack(
      operand: operand, packed: packed, k: product.k, is_b: cut.ownsColumns ? 0 : 1, rounds: way.rounds)
    let panels = unsafe (operand.count + cut.commonPanel - 1) / cut.commonPanel
    let share = max(1, panels / (pool.threadCount * 3)), isSmall = unsafe operand.count * product.k < 16384
    unsafe run(way.pack, pack, units: panels, grain: isSmall ? panels : share, scratch)
  }

  /// Half of the threads multiply over the first half of k, the others over the second: first each for a part of C of
  /// their own, then each adds to another's. The sum of two numbers does not depend on which came first.
  @unsafe private func multiplyHalves(
    _ product: ck_gemm, _ cut: ProductCut, k: Int, _ way: Way, _ scratch: Scratch
  ) {
    unsafe clearHeads(of: scratch)
    var product = unsafe product
    unsafe product.k = k
    unsafe product.first_half = cut.depth
    unsafe run(way.multiply, product, units: cut.units, grain: 1, scratch)
    unsafe product.onto = CK_ADDS
    unsafe product.rotation = cut.parts / 2
    unsafe run(way.multiply, product, units: cut.units, grain: 1, scratch)
  }

  /// The functions of a product, and how many elements along k one packed step holds.
  @safe private struct Way {
    let pack, multiply: ck_function
    let stepLength: Int
    let rounds: Int32
  }

  private func way(_ type: ElementType, _ precision: MatmulPrecision) -> Way {
    let pairs = usesPairs(type, precision)
    return unsafe Way(
      pack: function(of: ck_gemm_pack.self, type, precision), multiply: function(of: ck_gemm.self, type, precision),
      stepLength: pairs ? 2 : 1, rounds: precision == .bfloat16 && type == .float32 && !pairs ? 1 : 0)
  }

  /// What is smaller than this may still be there when it is read.
  private static let passingFrom = 2 << 20

  /// No thread has packed the common operand.
  @unsafe private func clearHeads(of scratch: Scratch) {
    for thread in 0..<pool.threadCount {
      unsafe scratch.base?.storeBytes(of: 0, toByteOffset: thread * scratch.stride, as: Int64.self)
    }
  }

  private func run<Arguments>(
    _ function: ck_function, _ arguments: Arguments, units: Int, grain: Int, _ scratch: Scratch
  ) {
    unsafe withUnsafePointer(to: arguments) { pointer in
      unsafe pool.run(function, UnsafeRawPointer(pointer), count: units, grain: max(1, grain), scratch: scratch)
    }
  }
}

extension ck_operand {
  /// The rows of a matrix: k goes along them.
  fileprivate init(rowsOf matrix: MatrixView, count: Int) {
    unsafe self.init(start: matrix.start, stride: matrix.rowStride, k_stride: matrix.columnStride, count: count)
  }

  /// `count` of them from `first` on, without the first `k` elements of each.
  fileprivate func part(from first: Int, count: Int, k: Int, elementBytes: Int) -> ck_operand {
    unsafe ck_operand(
      start: start + (first * stride + k * k_stride) * elementBytes, stride: stride, k_stride: k_stride, count: count)
  }
}

extension ck_epilogue {
  /// The epilogue of the elements from (row, column) on.
  func from(row: Int, column: Int, cStride: Int, elementBytes: Int) -> ck_epilogue {
    let elements = row * cStride + column, bytes = elements * elementBytes
    return unsafe ck_epilogue(
      bias: bias.map { unsafe $0 + column * elementBytes }, preactivation: preactivation.map { unsafe $0 + bytes },
      activation: activation, residual: residual.map { unsafe $0 + bytes },
      gated: gated.map { unsafe $0 + elements / 2 * elementBytes })
  }
}
