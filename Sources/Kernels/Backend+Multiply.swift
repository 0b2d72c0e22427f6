public import CKernels

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
  /// Every element is one chain of fused multiply-adds, k ascending; see docs/architecture.md, "Numbers".
  ///
  /// The way through memory: B is packed into panels of as many columns as the register tile has, a block of
  /// `depth` rows at a time, by all threads together; then the threads claim blocks of rows of C, each packs its
  /// rows of A and multiplies them with all panels. Blocks are sized for the second-level cache (A) and the
  /// third (B).
  ///
  /// Where C `isReadSoon` is false and large, what is written passes by the caches: nothing is read in order to be
  /// overwritten, and what lies in them stays.
  ///
  /// Shapes: A [m, k], B [k, n], C [m, n] with rows `cStride` apart.
  @unsafe public func multiply(
    m: Int, n: Int, k: Int, _ a: MatrixView, _ b: MatrixView, into c: UnsafeMutableRawPointer, cStride: Int,
    accumulate: Bool = false, epilogue: ck_epilogue? = nil, isReadSoon: Bool = true, _ type: ElementType,
    precision: MatmulPrecision = .float32
  ) {
    guard m > 0, n > 0 else { return }
    let table = unsafe table(type), size = type.size
    let tileRows = table.mr, panel = table.nr
    let way = way(type, precision), depth = Backend.depth(k, bytesPerStep: size, stepLength: way.stepLength)
    let steps = (depth + way.stepLength - 1) / way.stepLength
    let width = Backend.width(n, panel: panel, bytesPerColumn: steps * size)
    let tiles = cut(m: m, n: width, tileRows: tileRows, panel: panel, bytesPerRow: steps * size)
    let isWrittenOnce = unsafe !accumulate && epilogue == nil && depth >= k
    let passesCaches = !isReadSoon && isWrittenOnce && m * n * size >= Backend.passingFrom
    let packedBytes = (width + panel) * steps * size
    guard let (packed, scratch) = unsafe shared(
      bytes: packedBytes, perThread: ((tiles.rows + tileRows) * steps + 64) * size)
    else { return }

    for column in stride(from: 0, to: n, by: width) {
      let columns = min(width, n - column)
      var first = 0
      repeat {
        let count = min(depth, k - first), last = first + count == k
        let bStart = unsafe b.start + (first * b.rowStride + column * b.columnStride) * size
        let pack = unsafe ck_gemm_pack(
          b: bStart, packed: packed, row_stride: b.rowStride, column_stride: b.columnStride, k: count, n: columns,
          rounds: way.rounds)
        let packUnits = (columns + panel - 1) / panel
        unsafe run(way.pack, pack, units: packUnits, grain: share(packUnits, work: columns * count / 4), scratch)

        let product = unsafe ck_gemm(
          a: a.start + first * a.columnStride * size, a_row_stride: a.rowStride, a_column_stride: a.columnStride,
          packed_b: UnsafeRawPointer(packed), c: c + column * size, c_stride: cStride, m: m, n: columns, k: count,
          rows_per_tile: tiles.rows, whole_tiles: tiles.whole, panels_per_tile: tiles.panels,
          parts: tiles.parts(panels: packUnits),
          accumulate: accumulate || first > 0 ? 1 : 0, has_epilogue: last && epilogue != nil ? 1 : 0,
          epilogue: epilogue.map { unsafe $0.shifted(by: column * size) } ?? ck_epilogue(), rounds: way.rounds,
          passes_caches: passesCaches ? 1 : 0)
        let units = tiles.count(m: m, panels: packUnits)
        let small = m * columns * count < 32768
        unsafe run(way.multiply, product, units: units, grain: small ? units : 1, scratch)
        first += count
      } while first < k
    }
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

  /// Rows of B packed at a time, in equal blocks of at most 1024 steps of floats or 512 of doubles: a long chain pays
  /// for loading and storing C, and a panel of B (128 KiB) still comes from the second-level cache while rows of A
  /// pass by. A block ends between steps.
  private static func depth(_ k: Int, bytesPerStep: Int, stepLength: Int) -> Int {
    let largest = 4096 / bytesPerStep * stepLength
    let blocks = max(1, (k + largest - 1) / largest)
    return ((k + blocks - 1) / blocks + stepLength - 1) / stepLength * stepLength
  }

  /// Columns of B packed at a time, in equal blocks of at most 6 MiB.
  private static func width(_ n: Int, panel: Int, bytesPerColumn: Int) -> Int {
    let most = max(panel, (6 << 20) / max(1, bytesPerColumn)), blocks = (n + most - 1) / most
    return ((n + blocks - 1) / blocks + panel - 1) / panel * panel
  }

  /// How a product is cut into what threads claim.
  private struct Tiles {
    let rows, whole, panels: Int

    /// Threads take neighbouring units: each gets whole tiles, and its part of the columns below.
    func parts(panels: Int) -> Int {
      let columnTiles = (panels + self.panels - 1) / self.panels
      return whole % columnTiles == 0 ? columnTiles : 1
    }

    /// Tiles of all m rows over `panels` panels.
    func count(m: Int, panels: Int) -> Int {
      whole + ((m + rows - 1) / rows - whole) * ((panels + self.panels - 1) / self.panels)
    }
  }

  /// Tiles of at most 12 register tiles of rows and 384 KiB of A, all columns wide, as many as come out even for all
  /// threads; the rows that are left are cut along columns, one part for each thread: nobody waits for the last tile
  /// of another.
  private func cut(m: Int, n: Int, tileRows: Int, panel: Int, bytesPerRow: Int) -> Tiles {
    let panels = (n + panel - 1) / panel, threads = pool.threadCount
    let most = max(1, min(12, (384 << 10) / max(1, bytesPerRow * tileRows)))
    let rows = min(most * tileRows, roundUp(m, tileRows))
    return Tiles(rows: rows, whole: m / rows / threads * threads, panels: max(1, (panels + threads - 1) / threads))
  }

  private func share(_ units: Int, work: Int) -> Int {
    work < 4096 ? units : max(1, units / (pool.threadCount * 3))
  }

  private func run<Arguments>(
    _ function: ck_function, _ arguments: Arguments, units: Int, grain: Int, _ scratch: Scratch
  ) {
    unsafe withUnsafePointer(to: arguments) { pointer in
      unsafe pool.run(function, UnsafeRawPointer(pointer), count: units, grain: max(1, grain), scratch: scratch)
    }
  }

  private func roundUp(_ n: Int, _ unit: Int) -> Int { (n + unit - 1) / unit * unit }
}

extension ck_epilogue {
  /// The epilogue of the columns from `bytes` on.
  fileprivate func shifted(by bytes: Int) -> ck_epilogue {
    unsafe ck_epilogue(
      bias: bias.map { unsafe $0 + bytes }, preactivation: preactivation.map { unsafe $0 + bytes },
      activation: activation, residual: residual.map { unsafe $0 + bytes })
  }
}
