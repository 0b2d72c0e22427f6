import AutogradBase

/// What a description means: its tables, made once and read by all threads.
final class BytePairModel: Sendable {
  let description: BytePairDescription
  let merges: MergeTable
  let index: TokenIndex
  let special: Set<Int32>
  /// By byte, its token; −1 where there is none.
  let byteTokens: [Int32]
  /// The tokens that are one character; nil where merging begins with bytes.
  let characters: CharacterTokens?
  let classes: CharacterClasses
  let rawTokens: AddedTokenMatcher
  let normalizedTokens: AddedTokenMatcher
  /// What is decoded, where that is not the tokens' own bytes.
  let texts: TokenTable?
  /// By a byte: whether a text may be cut between it and a following `▁`.
  let mayCutBeforeMark: [Bool]

  /// - Throws: `notTokenizer` with what is wrong with the description.
  init(_ description: BytePairDescription) throws(TextError) {
    try description.check()
    self.description = description
    let tokens = description.tokens
    let added = Set(description.addedTokens.map { Int($0.id) })
    special = Set(description.addedTokens.filter(\.isSpecial).map(\.id))
    index = TokenIndex(tokens) { added.contains($0) }
    merges = try description.mergeTable(index)
    switch description.coding {
    case .byteLevel:
      let index = index
      byteTokens = (0..<256).map { index.id(of: [UInt8($0)]) ?? -1 }
      characters = nil
    case .byteFallback(let given, _, _):
      byteTokens = given.isEmpty ? [Int32](repeating: -1, count: 256) : given
      characters = CharacterTokens(index, tokens)
    }
    classes = description.preTokenizer.classes
    let normalizer = description.normalizer, classes = classes
    let plain = description.addedTokens.filter { !$0.normalized }, normal = description.addedTokens.filter(\.normalized)
    rawTokens = AddedTokenMatcher(plain, contents: plain.map { Array($0.content.utf8) })
    let contents = normal.map { token in
      let bytes = Array(token.content.utf8)
      return unsafe bytes.withUnsafeBufferPointer {
        unsafe normalizer.normalized(TextView($0, classes), isBeginning: true)
      } ?? bytes
    }
    normalizedTokens = AddedTokenMatcher(normal, contents: contents)
    let isFormC = normalizer.steps.allSatisfy { $0 == .nfc }
    let changed = zip(normal, contents).filter { isFormC && Array($0.content.utf8) != $1 }
    texts = description.decodedTokens(
      normalized: Dictionary(changed.map { ($0.id, $1) }, uniquingKeysWith: { $1 }))
    mayCutBeforeMark = description.cutsBeforeMark(characters)
  }
}

extension BytePairModel {
  /// Whether a token stands for a byte beside characters.
  func isByteToken(_ token: Int32) -> Bool {
    guard case .byteFallback(let bytes, _, _) = description.coding, !bytes.isEmpty else { return false }
    let text = texts?[Int(token)] ?? []
    return text.count == 1 && byteTokens[Int(text.first!)] == token
  }
}

/// Tokens that are one character each, by code point.
struct CharacterTokens: Sendable {
  /// Where in `ids` the 256 characters stand whose code points share the upper bits; page 0 has none.
  private var pages = [UInt16](repeating: 0, count: 0x1100)
  private var ids = [Int32](repeating: -1, count: 256)

  init(_ index: TokenIndex, _ tokens: TokenTable) {
    for id in 0..<tokens.count where (1...4).contains(tokens.length(of: id)) {
      let bytes = Array(tokens[id])
      guard case .scalar(let scalar, let length) = UTF8Sequence.read(bytes.span, at: 0), length == bytes.count else {
        continue
      }
      let page = Int(scalar.value >> 8)
      if pages[page] == 0 {
        pages[page] = UInt16(ids.count / 256)
        ids += repeatElement(-1, count: 256)
      }
      ids[Int(pages[page]) * 256 + Int(scalar.value & 0xFF)] = index.id(of: bytes) ?? -1
    }
  }

  /// The token of a character; −1 where there is none.
  subscript(codePoint: UInt32) -> Int32 { ids[Int(pages[Int(codePoint >> 8)]) * 256 + Int(codePoint & 0xFF)] }
}

extension BytePairDescription {
  static func refusal(_ reason: String) -> TextError { .notTokenizer(kind: "byte-pair vocabulary", reason: reason) }

  /// Throws unless every id that is named exists.
  fileprivate func check() throws(TextError) {
    guard tokens.count > 0 else { throw BytePairDescription.refusal("it has no tokens") }
    guard tokens.count <= MergeTable.idLimit else {
      throw BytePairDescription.refusal("it has \(tokens.count) tokens, and \(MergeTable.idLimit) are the most")
    }
    guard merges.count <= MergeTable.mergeLimit else {
      throw BytePairDescription.refusal("it has \(merges.count) merges, and \(MergeTable.mergeLimit) are the most")
    }
    func require(_ id: Int32, _ what: String) throws(TextError) {
      guard id >= 0, Int(id) < tokens.count else {
        throw BytePairDescription.refusal("\(what) has the id \(id), and there are \(tokens.count) tokens")
      }
    }
    for merge in merges {
      try require(merge.left, "a part of a merge")
      try require(merge.right, "a part of a merge")
    }
    for token in addedTokens {
      try require(token.id, "the added token \(token.content.quotedForMessage)")
      guard !token.content.isEmpty else { throw BytePairDescription.refusal("the added token \(token.id) is empty") }
    }
    for id in beginning + end { try require(id, "a token around texts") }
    switch coding {
    case .byteLevel(let unknown):
      if let unknown { try require(unknown, "the unknown token") }
    case .byteFallback(let bytes, let unknown, _):
      guard bytes.isEmpty || bytes.count == 256 else {
        throw BytePairDescription.refusal("it has tokens for \(bytes.count) bytes, and there are 256")
      }
      for id in bytes { try require(id, "a token of a byte") }
      if let unknown { try require(unknown, "the unknown token") }
    }
  }

  fileprivate func mergeTable(_ index: TokenIndex) throws(TextError) -> MergeTable {
    let table = MergeTable(capacity: merges.count)
    var bytes: [UInt8] = []
    for (rank, merge) in merges.enumerated() {
      bytes.removeAll(keepingCapacity: true)
      bytes += tokens[Int(merge.left)]
      bytes += tokens[Int(merge.right)]
      guard let result = index.id(of: bytes) else {
        throw BytePairDescription.refusal(
          "merge \(rank) makes \(String(decoding: bytes, as: UTF8.self).quotedForMessage), which is no token")
      }
      table.add(merge, rank: rank, result: result)
    }
    return table
  }

  /// Tokens as texts: `▁` is a space, byte tokens are bytes, and an added token is what it is found by. Nil where all are
  /// their own bytes.
  fileprivate func decodedTokens(normalized: [Int32: [UInt8]]) -> TokenTable? {
    if decoding == .bytes && normalized.isEmpty { return nil }
    var byteOf: [Int32: UInt8] = [:]
    if case .byteFallback(let bytes, _, _) = coding { for (byte, id) in bytes.enumerated() { byteOf[id] = UInt8(byte) } }
    let added = Set(addedTokens.map(\.id)), mark = SpaceMarkScanner.mark
    var table = TokenTable()
    table.reserveCapacity(tokens: tokens.count, bytes: tokens.byteCount)
    for id in 0..<tokens.count {
      if let bytes = normalized[Int32(id)] {
        table.append(bytes)
      } else if let byte = byteOf[Int32(id)] {
        table.append(CollectionOfOne(byte))
      } else if decoding == .bytes || added.contains(Int32(id)) || !tokens[id].contains(mark[0]) {
        table.append(tokens[id])
      } else {
        var text: [UInt8] = [], rest = tokens[id]
        while let byte = rest.first {
          let isMark = rest.starts(with: mark)
          text.append(isMark ? UInt8(ascii: " ") : byte)
          rest = rest.dropFirst(isMark ? mark.count : 1)
        }
        table.append(text)
      }
    }
    return table
  }

  /// By a byte, whether there is no token in which a `▁` follows it.
  fileprivate func cutsBeforeMark(_ characters: CharacterTokens?) -> [Bool] {
    // Where `▁` is unknown it could be one with others that are; where whole texts are tokens none may be cut.
    guard let characters, characters[0x2581] >= 0, !ignoresMerges else { return [Bool](repeating: false, count: 256) }
    var mayCut = [Bool](repeating: true, count: 256)
    let mark = SpaceMarkScanner.mark, added = Set(addedTokens.map { Int($0.id) })
    for id in 0..<tokens.count where tokens.length(of: id) > mark.count && !added.contains(id) {
      let bytes = tokens[id]
      for place in bytes.indices.dropFirst() where bytes[place] == mark[0] && bytes[place...].starts(with: mark) {
        mayCut[Int(bytes[place - 1])] = false
      }
    }
    return mayCut
  }
}
