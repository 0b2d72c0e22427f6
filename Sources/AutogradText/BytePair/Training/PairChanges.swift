/// What one merge changes: which tokens stood before and behind the merged pair, and where.
///
/// Pairs differ in one token here, so that they are numbered by it: no table of pairs is asked for each place.
struct PairChanges {
  /// A pair that the merge made.
  struct Made {
    /// The token beside the new one, and whether it stands before it.
    let token: Int32
    let isBefore: Bool
    /// How often the pair was made, each word counted as often as it occurs.
    var count = 0
    var placeCount = 0
  }

  /// By token: how often it stood before the pair or behind it.
  private var precedingCounts: [Int], followingCounts: [Int]
  private var precedingTokens: [Int32] = [], followingTokens: [Int32] = []
  /// By token: the number of the pair that it makes with the new one; −1 where it makes none.
  private var numbersBefore: [Int32], numbersAfter: [Int32]
  private(set) var made: [Made] = []
  private var placeNumbers: [UInt32] = [], places: [UInt32] = []

  init(tokenCount: Int) {
    precedingCounts = [Int](repeating: 0, count: tokenCount)
    followingCounts = precedingCounts
    numbersBefore = [Int32](repeating: -1, count: tokenCount)
    numbersAfter = numbersBefore
  }

  mutating func addToken() {
    precedingCounts.append(0)
    followingCounts.append(0)
    numbersBefore.append(-1)
    numbersAfter.append(-1)
  }

  /// Notes that `token` stood before a merged pair, and stands before the new token now.
  ///
  /// - Parameters:
  ///   - isNew: Whether it is the new token itself: one pair, whichever of both it is taken for.
  ///   - place: Where it begins.
  mutating func precede(_ token: Int32, _ count: Int, isNew: Bool, at place: Int) {
    let index = Int(token)
    if precedingCounts[index] == 0 { precedingTokens.append(token) }
    precedingCounts[index] += count
    if numbersBefore[index] < 0 {
      numbersBefore[index] = Int32(made.count)
      if isNew { numbersAfter[index] = Int32(made.count) }
      made.append(Made(token: token, isBefore: true))
    }
    note(Int(numbersBefore[index]), count, place)
  }

  /// Notes that `token` stood behind a merged pair, and stands behind the new token now.
  ///
  /// - Parameter place: Where the new token begins.
  mutating func follow(_ token: Int32, _ count: Int, isNew: Bool, at place: Int) {
    let index = Int(token)
    if followingCounts[index] == 0 { followingTokens.append(token) }
    followingCounts[index] += count
    if numbersAfter[index] < 0 {
      numbersAfter[index] = Int32(made.count)
      if isNew { numbersBefore[index] = Int32(made.count) }
      made.append(Made(token: token, isBefore: false))
    }
    note(Int(numbersAfter[index]), count, place)
  }

  private mutating func note(_ number: Int, _ count: Int, _ place: Int) {
    made[number].count += count
    made[number].placeCount += 1
    placeNumbers.append(UInt32(number))
    places.append(UInt32(place))
  }

  var preceding: [(token: Int32, count: Int)] { precedingTokens.map { ($0, precedingCounts[Int($0)]) } }
  var following: [(token: Int32, count: Int)] { followingTokens.map { ($0, followingCounts[Int($0)]) } }

  /// Calls `body` with the number of a pair among `made` and a place of it, in the order in which they were noted.
  func forEachPlace(_ body: (Int, UInt32) -> Void) {
    for index in places.indices { body(Int(placeNumbers[index]), places[index]) }
  }

  mutating func removeAll() {
    for token in precedingTokens { precedingCounts[Int(token)] = 0 }
    for token in followingTokens { followingCounts[Int(token)] = 0 }
    for one in made {
      numbersBefore[Int(one.token)] = -1
      numbersAfter[Int(one.token)] = -1
    }
    precedingTokens.removeAll(keepingCapacity: true)
    followingTokens.removeAll(keepingCapacity: true)
    made.removeAll(keepingCapacity: true)
    placeNumbers.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
  }
}
