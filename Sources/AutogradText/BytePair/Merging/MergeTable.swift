/// Which pairs of tokens are joined, how urgently, and to what: an open-addressing table of one word for a pair.
///
/// A word holds the left id in its upper 20 bits, then the right id, then the rank in 24: two lookups that meet in one
/// cache line are the common case, and the table of 100,000 merges takes 2 MB.
@safe final class MergeTable: @unchecked Sendable {
  /// Ids from here on do not fit.
  static let idLimit = 1 << 20 - 1
  /// So many merges do not fit.
  static let mergeLimit = 1 << 24 - 1
  static let none = UInt32.max

  // INVARIANT: `slots` has 2^(64 − shift) words and at least half of them empty, so that every search ends; `results` has an
  // id for each rank below `capacity`. Nobody writes once the tokenizer is made.
  private let slots: UnsafeMutablePointer<UInt64>
  private let results: UnsafeMutablePointer<Int32>
  private let shift: UInt64
  private let capacity: Int
  private static let empty = UInt64.max

  /// - Parameter capacity: How many merges there will be at most.
  init(capacity: Int) {
    precondition(capacity <= MergeTable.mergeLimit)
    var bits: UInt64 = 4
    while 1 << bits < 2 * capacity { bits += 1 }
    shift = 64 - bits
    self.capacity = capacity
    unsafe slots = .allocate(capacity: 1 << Int(bits))
    unsafe slots.initialize(repeating: MergeTable.empty, count: 1 << Int(bits))
    unsafe results = .allocate(capacity: max(1, capacity))
    unsafe results.initialize(repeating: -1, count: max(1, capacity))
  }

  deinit {
    unsafe slots.deallocate()
    unsafe results.deallocate()
  }

  @inline(__always) private func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 44 | UInt64(UInt32(bitPattern: right)) << 24
  }

  @inline(__always) private func place(_ key: UInt64) -> Int { Int((key &* 0x9E37_79B9_7F4A_7C15) >> shift) }

  /// The rank of a pair; `none` where it is not joined.
  @inline(__always) func rank(_ left: Int32, _ right: Int32) -> UInt32 {
    let wanted = key(left, right), place = place(wanted)
    return unsafe rank(wanted, place, slots[place])
  }

  /// The ranks of a token with the one before it and the one behind it: memory is asked for both at once.
  @inline(__always) func ranks(_ before: Int32, _ token: Int32, _ behind: Int32) -> (before: UInt32, behind: UInt32) {
    let first = key(before, token), second = key(token, behind)
    let places = (place(first), place(second))
    let found = unsafe (slots[places.0], slots[places.1])
    return (rank(first, places.0, found.0), rank(second, places.1, found.1))
  }

  /// - Parameter found: What stands at `place`, where the pair would stand if no other had been there before.
  @inline(__always) private func rank(_ wanted: UInt64, _ place: Int, _ found: UInt64) -> UInt32 {
    var place = place, found = found
    let mask = 1 &<< Int(64 &- shift) &- 1
    while true {
      if found == MergeTable.empty { return MergeTable.none }
      if found & ~0xFF_FFFF == wanted { return UInt32(truncatingIfNeeded: found & 0xFF_FFFF) }
      place = (place &+ 1) & mask
      found = unsafe slots[place]
    }
  }

  /// The token that a merge makes.
  ///
  /// - Precondition: `rank` is one that was added.
  @inline(__always) func result(_ rank: UInt32) -> Int32 {
    assert(Int(rank) < capacity)
    return unsafe results[Int(rank)]
  }

  /// Adds a pair; of equal ones the last counts, as tokenizers has it.
  ///
  /// - Precondition: Ids are below `idLimit`, the rank below `capacity`, and no more pairs come than `capacity`.
  func add(_ pair: MergePair, rank: Int, result: Int32) {
    precondition(rank < capacity && Int(pair.left) < MergeTable.idLimit && Int(pair.right) < MergeTable.idLimit)
    let wanted = key(pair.left, pair.right), mask = 1 << Int(64 - shift) - 1
    var place = place(wanted)
    while unsafe slots[place] != MergeTable.empty, unsafe slots[place] & ~0xFF_FFFF != wanted { place = (place + 1) & mask }
    unsafe slots[place] = wanted | UInt64(rank)
    unsafe results[rank] = result
  }
}
