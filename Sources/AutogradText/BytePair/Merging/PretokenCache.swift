#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The tokens of pre-tokens that came before.
///
/// Pre-tokens of up to 15 bytes that are up to 3 tokens have entries of 32 bytes, two to a cache line: the one that was
/// found again stands first, and a new one takes the second's place. Others, of up to 255 bytes, have a table beside it,
/// which begins anew when it is full. Both grow as they are used, to 16 MiB and 9 MiB.
@safe struct PretokenCache: ~Copyable {
  static let longestShort = 15
  static let longestLong = 255
  /// The most tokens in a short entry.
  static let shortCount = 3
  private static let shortBits = (first: 9, last: 18)
  private static let longBits = (first: 8, last: 16)
  private static let arenaByteLimit = 4 << 20

  /// The bytes of a pre-token, zeros behind them, the last its length; then its tokens and how many they are.
  struct Entry {
    var low: UInt64 = 0
    var high: UInt64 = 0
    var first: Int32 = 0
    var second: Int32 = 0
    var third: Int32 = 0
    var count: Int32 = 0
  }

  /// A pre-token in the arena: its bytes, and its tokens in four bytes each.
  private struct LongEntry {
    var hash: UInt64 = 0
    var offset: UInt32 = 0
    var length: UInt16 = 0
    /// 0 marks an empty slot.
    var count: UInt16 = 0
  }

  // INVARIANT: `entries` has 2 << bits entries, two of a bucket beside each other.
  private var entries: UnsafeMutablePointer<Entry>
  private var bits: Int
  private var used = 0
  /// Of no use but that something is done with what is fetched.
  private var touched: UInt64 = 0
  private var longs: [LongEntry]
  private var longUsed = 0
  private var arena: [UInt8] = []

  init() {
    bits = PretokenCache.shortBits.first
    unsafe entries = PretokenCache.makeEntries(bits)
    longs = [LongEntry](repeating: LongEntry(), count: 1 << PretokenCache.longBits.first)
  }

  deinit { unsafe entries.deallocate() }

  private static func makeEntries(_ bits: Int) -> UnsafeMutablePointer<Entry> {
    // Buckets are not to cross cache lines.
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 64 << bits, alignment: 64)
    return unsafe memory.initializeMemory(as: Entry.self, repeating: Entry(), count: 2 << bits)
  }

  // MARK: Short

  /// A pre-token to be looked up.
  struct Key {
    /// Its bytes, zeros behind them, and its length on top; all 0 where it is longer than `longestShort`.
    let low: UInt64
    let high: UInt64
    let hash: UInt64
    let length: Int

    @inline(__always) init(_ text: TextView, _ start: Int, _ end: Int) {
      length = end - start
      guard length <= PretokenCache.longestShort else {
        (low, high, hash) = (0, 0, 0)
        return
      }
      let bits = UInt64(truncatingIfNeeded: length) &* 8
      if start &+ 16 <= text.count {
        low = text.word(at: start) & (length >= 8 ? UInt64.max : ~(UInt64.max &<< bits))
        let rest = length > 8 ? text.word(at: start &+ 8) & ~(UInt64.max &<< (bits &- 64)) : 0
        high = rest | UInt64(truncatingIfNeeded: length) &<< 56
      } else {
        low = text.partialWord(at: start, count: min(8, length))
        high = (length > 8 ? text.partialWord(at: start + 8, count: length - 8) : 0) | UInt64(length) << 56
      }
      hash = ByteHash.mix(low, high)
    }

    var isShort: Bool { high != 0 }
  }

  /// Makes the processor fetch the entries of a key.
  @inline(__always) mutating func touch(_ key: Key) { unsafe touched &+= bucket(key.hash).pointee.low }

  @inline(__always) private func bucket(_ hash: UInt64) -> UnsafeMutablePointer<Entry> {
    unsafe entries + Int(truncatingIfNeeded: (hash & (1 &<< UInt64(truncatingIfNeeded: bits) &- 1)) &* 2)
  }

  /// Writes the tokens of a pre-token to `out`, which has room for `shortCount`.
  ///
  /// - Returns: How many they are; 0 where it is not known.
  @inline(__always) mutating func find(_ key: Key, _ out: UnsafeMutablePointer<Int32>) -> Int {
    let place = unsafe bucket(key.hash)
    // An empty entry has no length, as a long key: it has no tokens either.
    if unsafe place[0].low == key.low && place[0].high == key.high { return unsafe PretokenCache.copy(place, out) }
    if unsafe place[1].low == key.low && place[1].high == key.high {
      unsafe swap(&place[0], &place[1])
      return unsafe PretokenCache.copy(place, out)
    }
    return 0
  }

  @inline(__always) private static func copy(_ entry: UnsafeMutablePointer<Entry>, _ out: UnsafeMutablePointer<Int32>) -> Int {
    unsafe out[0] = entry.pointee.first
    unsafe out[1] = entry.pointee.second
    unsafe out[2] = entry.pointee.third
    return unsafe Int(entry.pointee.count)
  }

  /// Keeps the tokens of a pre-token, 1 to `shortCount` of them.
  mutating func insert(_ key: Key, _ tokens: UnsafeBufferPointer<Int32>) {
    assert(tokens.count > 0 && tokens.count <= PretokenCache.shortCount)
    if used > 1 << bits, bits < PretokenCache.shortBits.last { grow() }
    let entry = unsafe Entry(
      low: key.low, high: key.high, first: tokens[0], second: tokens.count > 1 ? tokens[1] : 0,
      third: tokens.count > 2 ? tokens[2] : 0, count: Int32(tokens.count))
    place(entry)
  }

  private mutating func place(_ entry: Entry) {
    let place = unsafe bucket(ByteHash.mix(entry.low, entry.high))
    let isFree = unsafe place[0].count == 0
    if unsafe isFree || place[1].count == 0 { used += 1 }
    unsafe place[isFree ? 0 : 1] = entry
  }

  private mutating func grow() {
    let old = unsafe entries, oldCount = 2 << bits
    bits = min(bits + 2, PretokenCache.shortBits.last)
    unsafe entries = PretokenCache.makeEntries(bits)
    used = 0
    for index in 0..<oldCount where unsafe old[index].count != 0 { unsafe place(old[index]) }
    unsafe old.deallocate()
  }

  // MARK: Long

  /// Writes the tokens of a pre-token to `out`, which has room for as many as it has bytes.
  ///
  /// - Returns: How many they are; nil where it is not known.
  func find(_ bytes: UnsafeBufferPointer<UInt8>, _ hash: UInt64, _ out: UnsafeMutablePointer<Int32>) -> Int? {
    var place = Int(truncatingIfNeeded: hash) & (longs.count - 1)
    while longs[place].count != 0 {
      let entry = longs[place], start = Int(entry.offset), length = Int(entry.length), count = Int(entry.count)
      if entry.hash == hash, length == bytes.count {
        let isFound = unsafe arena.withUnsafeBytes { all in
          guard unsafe memcmp(all.baseAddress! + start, bytes.baseAddress!, length) == 0 else { return false }
          unsafe memcpy(out, all.baseAddress! + start + length, 4 * count)
          return true
        }
        if isFound { return count }
      }
      place = (place + 1) & (longs.count - 1)
    }
    return nil
  }

  /// Keeps the tokens of a pre-token of at most `longestLong` bytes.
  mutating func insert(_ bytes: UnsafeBufferPointer<UInt8>, _ hash: UInt64, _ tokens: UnsafeBufferPointer<Int32>) {
    if 2 * longUsed >= longs.count || arena.count > PretokenCache.arenaByteLimit { makeRoom() }
    var place = Int(truncatingIfNeeded: hash) & (longs.count - 1)
    while longs[place].count != 0 { place = (place + 1) & (longs.count - 1) }
    longs[place] = LongEntry(
      hash: hash, offset: UInt32(arena.count), length: UInt16(bytes.count), count: UInt16(tokens.count))
    longUsed += 1
    unsafe arena.append(contentsOf: bytes)
    unsafe arena.append(contentsOf: UnsafeRawBufferPointer(tokens))
  }

  private mutating func makeRoom() {
    let isFull = longs.count >= 1 << PretokenCache.longBits.last || arena.count > PretokenCache.arenaByteLimit
    let old = isFull ? [] : longs
    longs = [LongEntry](repeating: LongEntry(), count: isFull ? longs.count : 2 * longs.count)
    longUsed = old.count == 0 ? 0 : longUsed
    if isFull { arena.removeAll(keepingCapacity: true) }
    for entry in old where entry.count != 0 {
      var place = Int(truncatingIfNeeded: entry.hash) & (longs.count - 1)
      while longs[place].count != 0 { place = (place + 1) & (longs.count - 1) }
      longs[place] = entry
    }
  }
}
