extension BytePairDescription {
  /// The merges of a vocabulary of ranks, as `.tiktoken` files hold it: ids are ranks, and of all neighbours those are joined
  /// first whose bytes together are the token of the lowest rank.
  ///
  /// For each token there is one pair at most by which it is made: neighbours in a text are joined only where their bytes
  /// alone, merged by the tokens of lower rank, end in that pair, since no merge has gone across their bounds until then.
  /// So these merges give the ids that ranks give. A token that is made by no pair is found only as a whole pre-token, where
  /// `ignoresMerges` is true.
  ///
  /// - Parameter tokens: In the order of their ranks; empty ones are left out.
  /// - Returns: Pairs in the order of the tokens that they make.
  /// - Complexity: O(bytes), about 30 ms for 100,000 tokens.
  public static func merges(ofRanks tokens: TokenTable) -> [MergePair] {
    precondition(tokens.count <= MergeTable.idLimit)
    let index = TokenIndex(tokens) { _ in false }, table = MergeTable(capacity: tokens.count)
    let bytes = (0..<256).map { index.id(of: [UInt8($0)]) }
    var merger = Merger(), pairs: [MergePair] = []
    pairs.reserveCapacity(tokens.count)
    for id in 0..<tokens.count where tokens.length(of: id) > 1 {
      merger.reset(capacity: tokens.length(of: id))
      for byte in tokens[id] {
        guard let token = bytes[Int(byte)] else { break }
        merger.append(token)
      }
      guard merger.count == tokens.length(of: id) else { continue }
      merger.merge(table)
      if merger.count != 2 { continue }
      let pair = MergePair(merger.id(0), merger.id(1))
      table.add(pair, rank: pairs.count, result: Int32(id))
      pairs.append(pair)
    }
    return pairs
  }
}
