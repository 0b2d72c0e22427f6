import AutogradKernels
import CAutogradKernels

/// How a cache lies in memory, for one instruction set and precision; see `ck_cached_attention`.
package struct CacheLayout: Equatable {
  /// What one number is kept as.
  package enum Storage: Equatable {
    case elements
    /// bfloat16 of Float products, two of them in pairs of bfloat16.
    case halves, pairs
  }

  package let storage: Storage
  let type: ElementType
  /// Columns of a panel, and rows of the register tile that multiplies it.
  let panel, rowsPerTile: Int
  /// Keys that a head has room for: whole panels.
  let capacity: Int
  /// Bytes of a head's keys, of its values, and of what a layer has of both.
  let keyBytes, valueBytes, layerBytes: Int
  package let byteCount: Int

  init(_ sizes: CacheSizes, type cacheType: CacheType?, _ tape: TapeCore) throws(Misuse) {
    type = tape.type
    let pairs = tape.backend.usesPairs(tape.type, tape.matmulPrecision)
    storage = pairs ? .pairs : cacheType == .bf16 ? .halves : .elements
    for (name, size) in [
      ("layers", sizes.layerCount), ("texts", sizes.sequenceCount), ("tokens", sizes.capacity),
      ("heads", sizes.keyValueHeadCount), ("columns", sizes.headSize),
    ] where size < 1 { throw Misuse("KeyValueCache", "a cache of \(size) \(name)", hint: "give 1 or more") }
    let panel = unsafe tape.backend.table(tape.type).nr, columns = (sizes.headSize + panel - 1) / panel * panel
    self.panel = panel
    rowsPerTile = unsafe tape.backend.table(tape.type).mr
    capacity = (sizes.capacity + panel - 1) / panel * panel
    let size = storage == .elements ? tape.type.size : 2
    let keyWidth = pairs ? (sizes.headSize + 1) / 2 * 2 : sizes.headSize
    // A product that no address space holds is no number here either.
    let heads = Double(sizes.layerCount) * Double(sizes.sequenceCount) * Double(sizes.keyValueHeadCount)
    guard heads * Double(capacity) * Double(keyWidth + columns) * Double(size) < 0x1p60 else {
      throw Misuse("KeyValueCache", "\(sizes) is more than any memory holds")
    }
    keyBytes = capacity * keyWidth * size
    valueBytes = capacity * columns * size
    layerBytes = sizes.sequenceCount * sizes.keyValueHeadCount * (keyBytes + valueBytes)
    byteCount = sizes.layerCount * layerBytes
  }

  /// Bytes of a number.
  var numberBytes: Int { storage == .elements ? type.size : 2 }

  /// Throws unless kernels on this tape keep keys and values so.
  func check(_ tape: TapeCore) throws(Misuse) {
    let pairs = tape.backend.usesPairs(tape.type, tape.matmulPrecision)
    guard type == tape.type, (storage == .pairs) == pairs, unsafe tape.backend.table(type).nr == panel else {
      throw Misuse(
        "causalAttention", "the cache was made for another instruction set or precision than this tape's",
        hint: "make it with this tape, after its matmulPrecision was set")
    }
  }
}

/// A cache without its scalar type.
///
/// INVARIANT: `memory` holds for each layer the keys [sequences, heads, keyBytes] and behind them the values [sequences,
/// heads, valueBytes]; of each text the first `lengths` positions are written in all layers.
package final class KeyValueCacheCore {
  package let sizes: CacheSizes
  package let layout: CacheLayout
  let memory: PersistentBlock
  package private(set) var lengths: [Int]

  package convenience init(_ sizes: CacheSizes, tape: TapeCore) throws(Misuse) {
    self.init(sizes, try CacheLayout(sizes, type: nil, tape))
  }

  init(_ sizes: CacheSizes, _ layout: CacheLayout) {
    self.sizes = sizes
    self.layout = layout
    memory = PersistentBlock(byteCount: layout.byteCount)
    lengths = [Int](repeating: 0, count: sizes.sequenceCount)
  }

  /// Takes all the memory and touches it; see `KeyValueCache.reserve`.
  package func reserve() -> Bool { memory.reserve() }

  func length(of sequence: Int) throws(Misuse) -> Int {
    guard lengths.indices.contains(sequence) else {
      throw Misuse(
        "KeyValueCache", "there is no text \(sequence) in a cache of \(lengths.count)",
        hint: "they are counted from 0")
    }
    return lengths[sequence]
  }

  func truncate(_ sequence: Int, to length: Int) throws(Misuse) {
    let before = try self.length(of: sequence)
    guard length >= 0, length <= before else {
      throw Misuse("KeyValueCache", "text \(sequence) has \(before) tokens and cannot be cut off behind \(length)")
    }
    lengths[sequence] = length
  }

  func copyPrefix(of source: Int, to target: Int, count: Int) throws(Misuse) {
    let have = try length(of: source)
    _ = try length(of: target)
    guard count >= 0, count <= have else {
      throw Misuse("KeyValueCache", "text \(source) has \(have) tokens, not the \(count) that were to be copied")
    }
    guard source != target else { return lengths[source] = count }
    for layer in 0..<sizes.layerCount {
      for head in 0..<sizes.keyValueHeadCount { copy(count, layer, head, from: source, to: target) }
    }
    lengths[target] = count
  }

  /// The first `count` keys and values of a head.
  private func copy(_ count: Int, _ layer: Int, _ head: Int, from source: Int, to target: Int) {
    let (keys, values) = unsafe pointers(layer: layer)
    let from = source * sizes.keyValueHeadCount + head, to = target * sizes.keyValueHeadCount + head
    // Keys lie in panels that follow each other; values in panels of columns, each with all the keys; pairs hold two.
    let keyPanels = (count + layout.panel - 1) / layout.panel
    let keyBytes = layout.keyBytes / (layout.capacity / layout.panel) * keyPanels
    // INVARIANT: both heads lie inside the memory, and what is copied inside of each; they do not overlap.
    unsafe (keys + to * layout.keyBytes).copyMemory(from: keys + from * layout.keyBytes, byteCount: keyBytes)
    let column = layout.capacity * layout.panel * layout.numberBytes
    let rows = (layout.storage == .pairs ? (count + 1) / 2 * 2 : count) * layout.panel * layout.numberBytes
    for first in stride(from: 0, to: layout.valueBytes, by: column) {
      unsafe (values + to * layout.valueBytes + first).copyMemory(
        from: values + from * layout.valueBytes + first, byteCount: rows)
    }
  }

  /// Where a layer's keys and values lie.
  @unsafe func pointers(layer: Int) -> (keys: UnsafeMutableRawPointer, values: UnsafeMutableRawPointer) {
    let start = unsafe memory.start + layer * layout.layerBytes
    return unsafe (start, start + sizes.sequenceCount * sizes.keyValueHeadCount * layout.keyBytes)
  }

  package func complete(_ pass: CachePassCore) throws(Misuse) {
    guard pass.cache === self else { throw Misuse("KeyValueCache", "the pass belongs to another cache") }
    try pass.checkCurrent()
    for span in pass.spans { lengths[span.sequence] += span.count }
  }
}

/// Rows that go on with texts of a cache: what the kernels need to know of them.
package struct CachePassCore {
  let cache: KeyValueCacheCore
  let spans: [ck_span]
  package let rowCount: Int
  /// Of all rows.
  package let positions: [Int32]
  /// Keys of the row that sees most, in whole panels.
  let longest: Int
  /// All spans are of one row.
  let isOfSingleRows: Bool

  /// Rows of a unit of attention's work, where a span has more: so many of the register tile's.
  private static let tilesPerBlock = 4
  let rowsPerBlock: Int
  let blockCount: Int

  package init(_ cache: KeyValueCacheCore, _ parts: [(sequence: Int, count: Int, position: Int)]) throws(Misuse) {
    var spans: [ck_span] = [], row = 0, blocks = 0, longest = 0, seen = Set<Int>()
    let rowsPerBlock = cache.layout.rowsPerTile * CachePassCore.tilesPerBlock
    for (sequence, count, position) in parts {
      guard count > 0 else { throw Misuse("KeyValueCache", "text \(sequence) goes on by \(count) tokens", hint: "give 1 or more") }
      guard seen.insert(sequence).inserted else {
        throw Misuse("KeyValueCache", "text \(sequence) goes on twice in one pass", hint: "give its tokens together")
      }
      guard position + count <= cache.sizes.capacity else {
        throw Misuse(
          "KeyValueCache", "text \(sequence) of \(position) tokens has no room for \(count) more: the cache keeps "
            + "\(cache.sizes.capacity)", hint: "truncate it, or make the cache larger")
      }
      spans.append(ck_span(row: row, count: count, position: position, sequence: sequence, first_block: blocks))
      row += count
      blocks += (count + rowsPerBlock - 1) / rowsPerBlock
      longest = max(longest, position + count)
    }
    guard row > 0 else { throw Misuse("KeyValueCache", "a pass of no tokens") }
    self.cache = cache
    self.spans = spans
    rowCount = row
    positions = spans.flatMap { span in (span.position..<span.position + span.count).map { Int32($0) } }
    self.longest = (longest + cache.layout.panel - 1) / cache.layout.panel * cache.layout.panel
    isOfSingleRows = row == spans.count
    self.rowsPerBlock = rowsPerBlock
    blockCount = blocks
  }

  /// Throws where a text has not the length that the pass goes on from.
  func checkCurrent() throws(Misuse) {
    for span in spans where cache.lengths[span.sequence] != span.position {
      throw Misuse(
        "KeyValueCache", "the pass goes on with text \(span.sequence) at token \(span.position), and it has "
          + "\(cache.lengths[span.sequence])", hint: "make a pass after the one before was completed, and use it at once")
    }
  }
}
