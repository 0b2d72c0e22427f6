/// How a matrix product is cut up for the caches and for threads.
///
/// One operand is the threads' own: the one with more rows (of A) or columns (of B). They are dealt out in tiles, and a
/// thread packs what its tile needs into scratch of its own, from which it comes out of the second-level cache. The
/// other is common to all tiles. Where it is small, each thread packs a copy for itself, so that nothing crosses from
/// one thread to another; where it is large, all pack it together, a block at a time.
///
/// So the larger operand, which in a transformer is either the activations or the weights, is read once, by the thread
/// that uses it.
struct ProductCut {
  let ownsColumns: Bool
  /// Each element is the sum of two chains, one over each half of k, which is `depth` long.
  let halves: Bool
  /// Some threads take one half, some the other.
  let takesHalvesTogether: Bool
  /// Elements along k that are packed at a time.
  let depth: Int
  /// Rows or columns of the common operand that are packed at a time, whole panels unless it has no more.
  let width: Int
  let packsTogether: Bool
  /// All of the threads' own is packed once, not again for another block of the common operand.
  let packsOwnOnce: Bool
  let commonPanel: Int
  let ownPerTile: Int
  /// The threads' own in equal parts, cut at multiples of `partMultiple`, of `tilesPerPart` tiles each.
  let parts, partMultiple, tilesPerPart: Int
  /// What all threads pack together, and what each has for itself.
  let packedBytes, scratchBytes: Int

  /// - Parameters:
  ///   - mayHalve: Whether elements may be sums of two chains. Whether they are depends on the shape alone.
  ///   - accumulates: Whether the first chain goes on from C: then the second cannot come before it.
  ///   - updates: Whether the columns are weights that are updated as they are packed.
  ///   - stored: Where they are those of a stored weight, how many are unpacked together: then they are the threads' own,
  ///     in whole such panels and blocks.
  ///   - tileRows: Rows of the register tile.
  ///   - tileColumns: Its columns.
  ///   - stepLength: Elements along k that one packed element holds.
  init(
    m: Int, n: Int, k: Int, mayHalve: Bool, accumulates: Bool, updates: Bool = false, stored: Int? = nil,
    tileRows: Int, tileColumns: Int, elementBytes: Int, stepLength: Int, threads: Int
  ) {
    ownsColumns = stored != nil || n > m && (n >= threads * ProductCut.leastColumns || n * 4 > m * ProductCut.leastColumns)
    let (own, common) = ownsColumns ? (n, m) : (m, n)
    let (ownPanel, panel) = ownsColumns ? (stored ?? tileColumns, tileRows) : (tileRows, tileColumns)
    // A long chain pays for loading and storing C; at this length a panel of B still comes from the second-level cache.
    let longestChain = 4096 / elementBytes * stepLength
    halves = mayHalve && k >= ProductCut.leastHalved && k <= 2 * longestChain && k * (m + n) >= 2 * m * n
    depth = ProductCut.evenly(k, most: halves ? (k + 1) / 2 : longestChain, unit: stored != nil ? 32 : stepLength)
    let steps = (depth + stepLength - 1) / stepLength, bytesPerItem = steps * elementBytes
    width = ProductCut.evenly(common, most: ProductCut.togetherBytes / bytesPerItem, unit: panel)
    packsOwnOnce = width >= common
    let commonBytes = ProductCut.roundUp(width, panel) * bytesPerItem + 64
    packsTogether = commonBytes > ProductCut.copyBytes || own < ProductCut.ownPerCopy * (threads - 1)
    commonPanel = panel
    takesHalvesTogether =
      halves && !accumulates && !packsTogether && threads > 1 && m * n * k >= ProductCut.leastDealt

    partMultiple = stored ?? (ownsColumns ? ProductCut.leastColumns : 1)
    let mostParts = own / (stored ?? (ownsColumns ? ProductCut.leastColumns : ProductCut.leastRows))
    parts = takesHalvesTogether
      ? max(2, min((threads + 1) / 2, mostParts / 2) * 2) : max(1, min(threads, mostParts))
    let longest = (own + parts - 1) / parts + partMultiple - 1, panelsPerPart = (longest + ownPanel - 1) / ownPanel
    let mostPanels = updates ? ProductCut.mostUpdatedPanels : ProductCut.mostPanels
    let most = max(1, min(mostPanels, ProductCut.tileBytes / (bytesPerItem * ownPanel)))
    tilesPerPart = (panelsPerPart + most - 1) / most
    ownPerTile = (panelsPerPart + tilesPerPart - 1) / tilesPerPart * ownPanel
    packedBytes = packsTogether ? commonBytes : 0
    scratchBytes = 64 + (packsTogether ? 0 : commonBytes) + ownPerTile * bytesPerItem + 64
  }

  var units: Int { parts * tilesPerPart }

  /// What all threads pack together stays in the third-level cache.
  private static let togetherBytes = 6 << 20
  /// A thread's copy of the common operand, and what it has packed of its own, share a second-level cache.
  private static let copyBytes = 5 << 18
  private static let tileBytes = 384 << 10
  private static let mostPanels = 12
  /// With its gradient and two moments a tile's weights take four times as much, and they come while another tile is
  /// multiplied.
  private static let mostUpdatedPanels = 2
  /// Terms from which a second chain pays, where C is small against the operands: see `halves`.
  private static let leastHalved = 256
  /// Multiply-adds from which a product is worth a second thread.
  static let leastDealt = 32768
  /// A cache line of floats: threads do not write to the same one.
  private static let leastColumns = 16
  private static let leastRows = 4
  /// Rows (columns) that must be multiplied with a copy for each thread that makes one.
  private static let ownPerCopy = 32

  /// The length of equal blocks, whole units, of at most `most`.
  private static func evenly(_ count: Int, most: Int, unit: Int) -> Int {
    let blocks = max(1, (count + most - 1) / max(1, most))
    return max(unit, roundUp((count + blocks - 1) / blocks, unit))
  }

  private static func roundUp(_ n: Int, _ unit: Int) -> Int { (n + unit - 1) / unit * unit }
}
