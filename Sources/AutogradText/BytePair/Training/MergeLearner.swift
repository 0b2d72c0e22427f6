/// Finds merges in counted words: the most frequent pair of neighbours becomes a token, again and again.
///
/// What it learns is what `tokenizers` learns of the same words. Its rules: of equally frequent pairs the one with smaller
/// ids is next; the count of a pair that was merged stays; where a second merge makes a token that is there already, the
/// pairs with it come into the queue anew, with their whole count and the words of this time alone.
///
/// A token stands where its first byte was, and at its last byte, too. So its neighbours are found without lists, a word of
/// any length is changed in place, and a pair's places are numbers.
struct MergeLearner {
  /// A byte of a word, or what stands between words.
  private struct Cell {
    /// The token that begins or ends here.
    var token: Int32
    let word: UInt32
  }

  /// Inside a token, and between words.
  private static let inside: Int32 = -1, bound: Int32 = -2

  private var cells: [Cell] = []
  private let counts: [Int]
  /// The bytes of every token, and ids by them.
  private(set) var tokens: SpelledTokens
  private var lengths: [Int]
  private(set) var merges: [MergePair] = []
  private var pairs = PairCounts()
  private var queue = MergeQueue()
  /// Lists of places, each behind its length.
  private var places: [UInt32] = []
  /// Pairs that may stand in the queue more than once: then no list has all of their places.
  private var repeated: Set<UInt64> = []
  private var changes: PairChanges

  /// - Parameters:
  ///   - tokens: Those that are there, ids in order; every byte that the words have is one.
  ///   - words: All of fewer than 2³² bytes, a bound for each word counted.
  init(_ tokens: SpelledTokens, words: WordCounts) {
    (self.tokens, counts) = (tokens, words.counts)
    lengths = (0..<tokens.count).map { tokens[$0].count }
    changes = PairChanges(tokenCount: tokens.count)
    let ids = (0..<256).map { tokens.id([UInt8($0)], 0..<1) ?? -1 }
    cells.reserveCapacity(words.bytes.count + words.count + 1)
    for word in 0..<words.count {
      cells.append(Cell(token: MergeLearner.bound, word: UInt32(word)))
      for index in words.range(word) { cells.append(Cell(token: ids[Int(words.bytes[index])], word: UInt32(word))) }
    }
    cells.append(Cell(token: MergeLearner.bound, word: UInt32(words.count)))
    countPairs(of: words, ids)
  }

  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

  /// Counts the pairs of bytes, and lists their places.
  private mutating func countPairs(of words: WordCounts, _ ids: [Int32]) {
    // By both bytes: how often, how many places, and where the next place goes.
    var count = [Int](repeating: 0, count: 1 << 16), placeCount = count, next = count
    func forEachPair(_ body: (_ key: Int, _ place: Int, _ word: Int) -> Void) {
      for word in 0..<words.count {
        let range = words.range(word)
        // Before each word stands a bound, and before its first byte one more than words.
        for index in range.dropLast() {
          body(Int(words.bytes[index]) << 8 | Int(words.bytes[index + 1]), index + word + 1, word)
        }
      }
    }
    forEachPair { key, _, word in
      count[key] += words.counts[word]
      placeCount[key] += 1
    }
    var size = 0
    for key in 0..<1 << 16 where placeCount[key] > 0 {
      next[key] = size + 1
      size += placeCount[key] + 1
    }
    var lists = [UInt32](repeating: 0, count: size)
    for key in 0..<1 << 16 where placeCount[key] > 0 {
      let pair = MergeLearner.pair(ids[key >> 8], ids[key & 255])
      lists[next[key] - 1] = UInt32(placeCount[key])
      _ = pairs.add(count[key], to: pair)
      queue.push(MergeQueue.Entry(count: count[key], pair: pair, places: next[key] - 1))
    }
    forEachPair { key, place, _ in
      lists[next[key]] = UInt32(place)
      next[key] += 1
    }
    places = lists
  }

  /// The merges, each once: of a pair that was merged several times the last one counts.
  var distinctMerges: [MergePair] {
    var seen: Set<MergePair> = []
    return merges.reversed().filter { seen.insert($0).inserted }.reversed()
  }

  // MARK: Learning

  /// Merges until there are so many tokens, or no pair occurs often enough.
  ///
  /// - Parameter progress: Called now and then with the number of tokens; false ends it there.
  /// - Returns: Whether it came to its end.
  mutating func learn(
    upTo vocabularySize: Int, minimumFrequency: Int, progress: (Int) -> Bool
  ) -> Bool {
    while tokens.count < vocabularySize, var top = queue.pop() {
      let count = pairs[top.pair]
      if top.count != count {
        top.count = count
        queue.push(top)
        continue
      }
      if count < max(1, minimumFrequency) { break }
      merge(top)
      if merges.count % 64 == 0, !progress(tokens.count) { return false }
    }
    return true
  }

  private mutating func merge(_ entry: MergeQueue.Entry) {
    let left = Int32(entry.pair >> 32), right = Int32(truncatingIfNeeded: entry.pair)
    let bytes = Array(tokens[Int(left)]) + tokens[Int(right)], known = tokens.id(bytes, bytes.indices)
    let new = known ?? Int32(tokens.count)
    if known == nil {
      _ = tokens.append(bytes, id: new)
      lengths.append(bytes.count)
      changes.addToken()
    }
    merges.append(MergePair(left, right))
    let list = entry.places + 1..<entry.places + 1 + Int(places[entry.places])
    if repeated.contains(entry.pair) {
      mergeInWords(list, left, right, new)
    } else {
      for index in list {
        let place = Int(places[index])
        if isPair(place, left, right) { join(place, left, right, new) }
      }
    }
    account(left, right, new, isNew: known == nil)
  }

  private func isPair(_ place: Int, _ left: Int32, _ right: Int32) -> Bool {
    cells[place].token == left && cells[place + lengths[Int(left)]].token == right
  }

  /// Merges wherever the pair is in the words of a list.
  private mutating func mergeInWords(_ list: Range<Int>, _ left: Int32, _ right: Int32, _ new: Int32) {
    var last: UInt32?
    for index in list {
      var place = Int(places[index])
      if cells[place].word == last { continue }
      last = cells[place].word
      while cells[place - 1].token != MergeLearner.bound { place -= 1 }
      while cells[place].token != MergeLearner.bound {
        if isPair(place, left, right) { join(place, left, right, new) }
        place += lengths[Int(cells[place].token)]
      }
    }
  }

  /// Makes one token of the pair at a place, and notes what that changes.
  private mutating func join(_ place: Int, _ left: Int32, _ right: Int32, _ new: Int32) {
    let middle = place + lengths[Int(left)], end = middle + lengths[Int(right)]
    let before = cells[place - 1].token, after = cells[end].token, count = counts[Int(cells[place].word)]
    if before >= 0 { changes.precede(before, count, isNew: before == new, at: place - lengths[Int(before)]) }
    if after >= 0 { changes.follow(after, count, isNew: after == new, at: place) }
    cells[middle - 1].token = MergeLearner.inside
    cells[middle].token = MergeLearner.inside
    cells[place].token = new
    cells[end - 1].token = new
  }

  /// Counts what a merge has changed, and puts the pairs that it made into the queue.
  private mutating func account(_ left: Int32, _ right: Int32, _ new: Int32, isNew: Bool) {
    for (token, count) in changes.preceding { _ = pairs.add(-count, to: MergeLearner.pair(token, left)) }
    for (token, count) in changes.following { _ = pairs.add(-count, to: MergeLearner.pair(right, token)) }
    let made = changes.made.map { one in
      let pair = one.isBefore ? MergeLearner.pair(one.token, new) : MergeLearner.pair(new, one.token)
      if pairs.add(one.count, to: pair).isOld, !isNew { repeated.insert(pair) }
      return pair
    }
    // A pair may have been counted down after it was counted up: the sums are known only now.
    var next = [Int](repeating: -1, count: made.count)
    for (number, pair) in made.enumerated() {
      let count = pairs[pair]
      guard count > 0 else { continue }
      queue.push(MergeQueue.Entry(count: count, pair: pair, places: places.count))
      places.append(UInt32(changes.made[number].placeCount))
      next[number] = places.count
      places += repeatElement(0, count: changes.made[number].placeCount)
    }
    changes.forEachPlace { number, place in
      guard next[number] >= 0 else { return }
      places[next[number]] = place
      next[number] += 1
    }
    changes.removeAll()
  }
}
