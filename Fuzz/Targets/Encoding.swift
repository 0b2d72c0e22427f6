import AutogradText

extension FuzzTarget {
  /// Any vocabulary of merges and any bytes: they come back, streamed and whole; parts between cuts have the ids of the
  /// whole; and a pre-token has those that joining the most urgent pair again and again gives.
  ///
  /// The first byte chooses the pre-tokenizer, the second how many merges follow, in two bytes each; the rest is text.
  static let encoding = FuzzTarget("encoding") { bytes throws(BrokenProperty) in
    guard bytes.count >= 2 else { return false }
    let kinds = PreTokenizer.all.filter { $0.name != "metaspace" }
    let pairCount = min(Int(bytes[1]), (bytes.count - 2) / 2)
    let text = Array(bytes[(2 + 2 * pairCount)...])
    let description = vocabulary(Array(bytes[2..<2 + 2 * pairCount]), kinds[Int(bytes[0]) % kinds.count])
    let tokenizer = try accepted { () throws(TextError) in try BytePairTokenizer(description) }
    guard let tokenizer else { return false }
    let ids = tokenizer.encode(text)
    try require(tokenizer.decode(ids) == text, "bytes do not come back")
    try require(tokenizer.encode(text) == ids, "the second time there are other ids")
    var decoder = StreamingDecoder(tokenizer)
    let streamed = ids.reduce("") { $0 + decoder.push($1) } + decoder.finish()
    try require(streamed.utf8.elementsEqual(String(decoding: text, as: UTF8.self).utf8), "streamed text differs")
    var parts: [Int32] = [], first = 0
    while first < text.count {
      let cut = tokenizer.firstCut(in: text.span, from: first + 1) ?? text.count
      tokenizer.encode(part: text.span.extracting(first..<cut), isFirst: first == 0, into: &parts)
      first = cut
    }
    try require(parts == ids, "parts between cuts have other ids")
    var merged: [Int32] = []
    if text.count <= 2000 {
      description.preTokenizer.forEachPreToken(in: text.span) { merged += merge(text[$0], description) }
      try require(merged == ids, "ids are not those of the merges")
    }
    return true
  }

  /// All bytes, and for each two of `pairs` a merge of tokens that are there by then.
  private static func vocabulary(_ pairs: [UInt8], _ kind: PreTokenizer) -> BytePairDescription {
    var tokens = TokenTable((0...255).map { [UInt8($0)] }), merges: [MergePair] = [], known: Set<[UInt8]> = []
    for index in stride(from: 0, to: pairs.count - 1, by: 2) {
      // Bytes of text, or the latest tokens.
      let made = tokens.count - 256
      let ids = [pairs[index], pairs[index + 1]].map { byte in
        byte >= 128 && made > 0 ? tokens.count - 1 - Int(byte - 128) % made : Int(byte)
      }
      let joined = Array(tokens[ids[0]]) + tokens[ids[1]]
      guard joined.count <= 64, known.insert(joined).inserted else { continue }
      tokens.append(joined)
      merges.append(MergePair(Int32(ids[0]), Int32(ids[1])))
    }
    return BytePairDescription(tokens: tokens, merges: merges, preTokenizer: kind)
  }

  /// The ids of a pre-token, as merges are defined.
  private static func merge(_ bytes: ArraySlice<UInt8>, _ description: BytePairDescription) -> [Int32] {
    var ranks: [MergePair: Int] = [:]
    for (rank, pair) in description.merges.enumerated() { ranks[pair] = rank }
    var ids = bytes.map { Int32($0) }
    while true {
      let pairs = zip(ids, ids.dropFirst()).map { ranks[MergePair($0, $1)] ?? .max }
      guard let best = pairs.min(), best < .max, let place = pairs.firstIndex(of: best) else { return ids }
      ids.replaceSubrange(place...place + 1, with: [Int32(256 + best)])
    }
  }
}
