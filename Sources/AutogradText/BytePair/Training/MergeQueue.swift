/// Pairs of tokens that may be merged, the most frequent first; of equally frequent ones the one with smaller ids.
///
/// Most pairs occur a few times and never get to the top. Those below a threshold wait unordered, and are ordered when
/// everything above is used up: which entry comes next does not depend on it.
struct MergeQueue {
  struct Entry {
    /// How often the pair occurred when the entry was made: it may be out of date.
    var count: Int
    /// The left id in the upper half, the right one in the lower.
    let pair: UInt64
    /// Where the list of places begins at which the entry found the pair: their number, then they.
    let places: Int

    func comes(before other: Entry) -> Bool { count != other.count ? count > other.count : pair < other.pair }
  }

  /// A binary heap, entries of at least the threshold.
  private var heap: [Entry] = []
  private var waiting: [Entry] = []
  private var threshold = Int.max

  mutating func push(_ entry: Entry) {
    guard entry.count >= threshold else { return waiting.append(entry) }
    heap.append(entry)
    var place = heap.count - 1
    while place > 0 {
      let parent = (place - 1) / 2
      guard entry.comes(before: heap[parent]) else { break }
      heap[place] = heap[parent]
      place = parent
    }
    heap[place] = entry
  }

  mutating func pop() -> Entry? {
    if heap.isEmpty { lowerThreshold() }
    guard let top = heap.first else { return nil }
    let last = heap.removeLast()
    if heap.isEmpty { return top }
    var place = 0
    while true {
      var child = 2 * place + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1].comes(before: heap[child]) { child += 1 }
      guard heap[child].comes(before: last) else { break }
      heap[place] = heap[child]
      place = child
    }
    heap[place] = last
    return top
  }

  /// Orders the most frequent of the entries that wait.
  private mutating func lowerThreshold() {
    let most = waiting.reduce(0) { max($0, $1.count) }
    guard !waiting.isEmpty else { return }
    threshold = min(threshold, most / 2 + 1)
    let all = waiting
    waiting = []
    for entry in all { push(entry) }
  }
}
