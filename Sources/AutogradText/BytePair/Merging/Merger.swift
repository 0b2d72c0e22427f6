/// Joins the tokens of one pre-token until no pair of neighbours is in the table: always the pair of the lowest rank, of
/// equal ones the first.
///
/// Few tokens lie in an array that is searched again and again. Many are a linked list with a heap of its pairs, so that a
/// text of one letter a million times takes n log n, not n².
@safe struct Merger: ~Copyable {
  /// So many tokens and more are joined by the heap.
  private static let longCount = 96
  /// More room than for so many tokens is given back after use.
  private static let keptCapacity = 1 << 16

  // INVARIANT: `ids`, `ranks`, `next` and `previous` have room for `capacity` each; the first `count` of `ids` are set.
  private(set) var ids: UnsafeMutablePointer<Int32>
  private var ranks: UnsafeMutablePointer<UInt32>
  private var next: UnsafeMutablePointer<UInt32>
  private var previous: UnsafeMutablePointer<UInt32>
  private var capacity: Int
  private(set) var count = 0
  private var heap: [UInt64] = []

  init() {
    capacity = 1024
    unsafe ids = .allocate(capacity: capacity)
    unsafe ranks = .allocate(capacity: capacity)
    unsafe next = .allocate(capacity: capacity)
    unsafe previous = .allocate(capacity: capacity)
  }

  deinit {
    unsafe ids.deallocate()
    unsafe ranks.deallocate()
    unsafe next.deallocate()
    unsafe previous.deallocate()
  }

  /// Forgets what was there and makes room.
  mutating func reset(capacity wanted: Int) {
    precondition(wanted < Int(UInt32.max), "a pre-token of 4 GiB")
    count = 0
    if wanted <= capacity, capacity <= Merger.keptCapacity { return }
    if wanted <= capacity, wanted > Merger.keptCapacity { return }
    capacity = max(1024, wanted)
    unsafe ids.deallocate()
    unsafe ranks.deallocate()
    unsafe next.deallocate()
    unsafe previous.deallocate()
    unsafe ids = .allocate(capacity: capacity)
    unsafe ranks = .allocate(capacity: capacity)
    unsafe next = .allocate(capacity: capacity)
    unsafe previous = .allocate(capacity: capacity)
    heap = []
  }

  /// Adds a token at the end.
  ///
  /// - Precondition: There is room.
  @inline(__always) mutating func append(_ id: Int32) {
    assert(count < capacity)
    unsafe ids[count] = id
    count += 1
  }

  /// The tokens that are there.
  var last: Int32? { count > 0 ? unsafe ids[count - 1] : nil }
  func id(_ index: Int) -> Int32 {
    precondition(index < count)
    return unsafe ids[index]
  }

  /// Joins what was appended.
  mutating func merge(_ table: MergeTable) {
    if count < 2 { return }
    for index in 0..<count - 1 { unsafe ranks[index] = table.rank(ids[index], ids[index + 1]) }
    if count < Merger.longCount { mergeFew(table) } else { mergeMany(table) }
  }

  private mutating func mergeFew(_ table: MergeTable) {
    let ids = unsafe ids, ranks = unsafe ranks
    var count = count
    while count > 1 {
      var best = MergeTable.none, place = 0
      for index in 0..<count - 1 {
        let rank = unsafe ranks[index]
        if rank < best { (best, place) = (rank, index) }
      }
      if best == MergeTable.none { break }
      unsafe ids[place] = table.result(best)
      count -= 1
      for index in place + 1..<max(place + 1, count) { unsafe ids[index] = ids[index + 1] }
      for index in place + 1..<max(place + 1, count - 1) { unsafe ranks[index] = ranks[index + 1] }
      if place > 0, place + 1 < count {
        unsafe (ranks[place - 1], ranks[place]) = table.ranks(ids[place - 1], ids[place], ids[place + 1])
      } else if place > 0 {
        unsafe ranks[place - 1] = table.rank(ids[place - 1], ids[place])
      } else if count > 1 {
        unsafe ranks[0] = table.rank(ids[0], ids[1])
      }
    }
    self.count = count
  }

  private mutating func mergeMany(_ table: MergeTable) {
    let ids = unsafe ids, ranks = unsafe ranks, next = unsafe next, previous = unsafe previous
    let end = UInt32(count)
    heap.removeAll(keepingCapacity: true)
    heap.reserveCapacity(count)
    for index in 0..<count {
      unsafe next[index] = UInt32(index) + 1
      unsafe previous[index] = UInt32(index) &- 1
      if index + 1 < count, unsafe ranks[index] != MergeTable.none {
        unsafe heap.append(UInt64(ranks[index]) << 32 | UInt64(index))
      }
    }
    unsafe ranks[count - 1] = MergeTable.none
    MinimumHeap.build(&heap)
    while let top = MinimumHeap.pop(&heap) {
      let rank = UInt32(top >> 32), place = Int(top & 0xFFFF_FFFF)
      // The pair may have gone, or have become another.
      if unsafe ranks[place] != rank { continue }
      let joined = unsafe Int(next[place]), behind = unsafe next[joined]
      unsafe ids[place] = table.result(rank)
      unsafe ranks[joined] = MergeTable.none
      unsafe next[place] = behind
      if behind < end { unsafe previous[Int(behind)] = UInt32(place) }
      unsafe ranks[place] = behind < end ? table.rank(ids[place], ids[Int(behind)]) : MergeTable.none
      if unsafe ranks[place] != MergeTable.none {
        unsafe MinimumHeap.push(UInt64(ranks[place]) << 32 | UInt64(place), &heap)
      }
      let before = unsafe previous[place]
      if before == UInt32.max { continue }
      let rankBefore = unsafe table.rank(ids[Int(before)], ids[place])
      unsafe ranks[Int(before)] = rankBefore
      if rankBefore != MergeTable.none { MinimumHeap.push(UInt64(rankBefore) << 32 | UInt64(before), &heap) }
    }
    var place: UInt32 = 0, kept = 0
    while place < end {
      unsafe ids[kept] = ids[Int(place)]
      kept += 1
      place = unsafe next[Int(place)]
    }
    count = kept
  }
}

/// A binary heap in an array, the least first.
private enum MinimumHeap {
  static func build(_ heap: inout [UInt64]) {
    for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index, &heap) }
  }

  static func push(_ value: UInt64, _ heap: inout [UInt64]) {
    heap.append(value)
    var index = heap.count - 1
    while index > 0 {
      let parent = (index - 1) / 2
      if heap[parent] <= value { break }
      heap[index] = heap[parent]
      index = parent
    }
    heap[index] = value
  }

  static func pop(_ heap: inout [UInt64]) -> UInt64? {
    guard let last = heap.popLast() else { return nil }
    guard let least = heap.first else { return last }
    heap[0] = last
    sink(0, &heap)
    return least
  }

  private static func sink(_ start: Int, _ heap: inout [UInt64]) {
    var index = start
    let value = heap[start], count = heap.count
    while 2 * index + 1 < count {
      var child = 2 * index + 1
      if child + 1 < count, heap[child + 1] < heap[child] { child += 1 }
      if value <= heap[child] { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = value
  }
}
