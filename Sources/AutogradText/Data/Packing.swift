/// Puts things of several lengths into bins of one size: each into the fullest that has room for it, the longest first.
///
/// Source: best-fit decreasing, which wastes next to nothing where many things are short (TRL packs so, too).
struct Packing {
  /// The things, those of one bin beside each other.
  private(set) var order: [Int32]
  /// Where each bin ends in `order`.
  private(set) var ends: [Int32] = []

  var binCount: Int { ends.count }

  func things(in bin: Int) -> ArraySlice<Int32> { order[(bin == 0 ? 0 : Int(ends[bin - 1]))..<Int(ends[bin])] }

  /// - Parameters:
  ///   - lengths: Of things that are there to be packed; 0 leaves one out.
  ///   - capacity: At least as long as the longest.
  /// - Complexity: O(n + n · capacity / 64) at the worst, a few words for each thing.
  init(_ lengths: [Int], capacity: Int) {
    // By length, longest first; of one length in their order.
    var firsts = [Int](repeating: 0, count: capacity + 2)
    for length in lengths where length > 0 { firsts[capacity - length + 1] += 1 }
    for index in 1..<firsts.count { firsts[index] += firsts[index - 1] }
    var sorted = [Int32](repeating: 0, count: firsts[capacity + 1])
    for (thing, length) in lengths.enumerated() where length > 0 {
      sorted[firsts[capacity - length]] = Int32(thing)
      firsts[capacity - length] += 1
    }
    var rooms = Rooms(capacity: capacity), bins = [Int32](repeating: 0, count: lengths.count)
    for thing in sorted {
      let length = lengths[Int(thing)], found = rooms.take(atLeast: length)
      let bin = found?.bin ?? rooms.newBin()
      bins[Int(thing)] = Int32(bin)
      rooms.put(bin, room: (found?.room ?? capacity) - length)
    }
    ends = [Int32](repeating: 0, count: rooms.binCount)
    for thing in sorted { ends[Int(bins[Int(thing)])] += 1 }
    for bin in ends.indices.dropFirst() { ends[bin] += ends[bin - 1] }
    order = sorted
    var places = ends
    for thing in sorted.reversed() {
      places[Int(bins[Int(thing)])] -= 1
      order[Int(places[Int(bins[Int(thing)])])] = thing
    }
  }
}

/// Bins by how much room they have left.
private struct Rooms {
  /// The bin that was put last among those with this room, and after each bin the one before it; −1 for none.
  private var heads: [Int32]
  private var following: [Int32] = []
  /// A bit for each room that some bin has.
  private var isSome: [UInt64]

  init(capacity: Int) {
    heads = [Int32](repeating: -1, count: capacity + 1)
    isSome = [UInt64](repeating: 0, count: capacity / 64 + 1)
  }

  var binCount: Int { following.count }

  mutating func newBin() -> Int {
    following.append(-1)
    return following.count - 1
  }

  mutating func put(_ bin: Int, room: Int) {
    following[bin] = heads[room]
    heads[room] = Int32(bin)
    isSome[room / 64] |= 1 << UInt64(room % 64)
  }

  /// Takes out a bin with the least room that is enough.
  mutating func take(atLeast length: Int) -> (bin: Int, room: Int)? {
    var word = length / 64, bits = isSome[length / 64] & (~0 << UInt64(length % 64))
    while bits == 0 {
      word += 1
      guard word < isSome.count else { return nil }
      bits = isSome[word]
    }
    let room = 64 * word + bits.trailingZeroBitCount, bin = Int(heads[room])
    heads[room] = following[bin]
    if heads[room] < 0 { isSome[word] &= ~(1 << UInt64(room % 64)) }
    return (bin, room)
  }
}
