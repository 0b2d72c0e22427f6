import AutogradBase

/// A vocabulary of tiktoken: in each line a token in base64 and its rank, which is its id.
///
/// The file says neither how texts are cut nor which special tokens there are. Both are known of OpenAI's files, which are
/// recognised by their number of ranks, and of files that have the name of a pre-tokenizer in theirs: `mine.cl100k.tiktoken`.
public enum Tiktoken {
  /// What is known of a vocabulary beside its ranks.
  private struct Known {
    let rankCount: Int
    let preTokenizer: PreTokenizer
    let special: [(name: String, id: Int32)]
  }

  // Source: openai/tiktoken, tiktoken_ext/openai_public.py.
  private static let known = [
    Known(rankCount: 50256, preTokenizer: .gpt2, special: [("<|endoftext|>", 50256)]),
    Known(
      rankCount: 100_256, preTokenizer: .cl100k,
      special: [
        ("<|endoftext|>", 100_257), ("<|fim_prefix|>", 100_258), ("<|fim_middle|>", 100_259), ("<|fim_suffix|>", 100_260),
        ("<|endofprompt|>", 100_276),
      ]),
    Known(
      rankCount: 199_998, preTokenizer: .o200k, special: [("<|endoftext|>", 199_999), ("<|endofprompt|>", 200_018)]),
  ]

  /// Reads a vocabulary.
  ///
  /// - Parameters:
  ///   - name: The file's name, which may say the pre-tokenizer.
  ///   - preTokenizer: What the file is read with, whatever its name.
  /// - Throws: `notTokenizer`.
  public static func description(
    _ bytes: [UInt8], name: String = "", preTokenizer: PreTokenizer? = nil
  ) throws(TextError) -> BytePairDescription {
    let tokens = try ranks(bytes)
    let known = Self.known.first { $0.rankCount == tokens.used }
    guard let chosen = preTokenizer ?? named(name) ?? known?.preTokenizer else {
      let names = PreTokenizer.all.filter { !$0.regexes.isEmpty }.map(\.shortName).joined(separator: ", ")
      throw .notBytePair(
        "it has \(tokens.used) ranks, of which it is not known how texts are cut for them; give the file a name with one of "
          + "\(names) in it, as in mine.cl100k.tiktoken")
    }
    var table = tokens.table, added: [AddedToken] = []
    for (name, id) in known?.special ?? [("<|endoftext|>", Int32(table.count))] {
      while table.count < Int(id) { table.append(EmptyCollection()) }
      table.append(name.utf8)
      added.append(AddedToken(id: id, content: name, isSpecial: true))
    }
    var description = BytePairDescription(
      tokens: table, merges: BytePairDescription.merges(ofRanks: tokens.table), preTokenizer: chosen, ignoresMerges: true,
      addedTokens: added)
    description.takeRoles(SpecialTokenNames())
    return description
  }

  /// Writes the ranks of a vocabulary; special tokens have no place in the file.
  ///
  /// - Parameter name: The file's name, from which a reader learns how texts are cut.
  /// - Throws: `notTokenizer` where the file would give other ids.
  static func ranks(of vocabulary: BytePairDescription, name: String) throws(TextError) -> [UInt8] {
    let added = Set(vocabulary.addedTokens.map { Int($0.id) })
    var bytes: [UInt8] = []
    for rank in 0..<vocabulary.tokens.count where !added.contains(rank) && !vocabulary.tokens[rank].isEmpty {
      appendBase64(of: vocabulary.tokens[rank], to: &bytes)
      bytes += Array(" \(rank)\n".utf8)
    }
    guard vocabulary.isByteLevel, vocabulary.normalizer.steps.isEmpty, vocabulary.beginning.isEmpty, vocabulary.end.isEmpty else {
      throw .notBytePair("it changes texts before it cuts them, or adds tokens, of which tiktoken's ranks say nothing")
    }
    let read = try description(bytes, name: name)
    guard read.preTokenizer == vocabulary.preTokenizer else {
      throw .notBytePair(
        "its texts are cut as \(vocabulary.preTokenizer.shortName) does it, which the file's name must say: "
          + "mine.\(vocabulary.preTokenizer.shortName).tiktoken")
    }
    guard read.merges == vocabulary.merges else {
      throw .notBytePair("it joins pairs in another order than that of the tokens they make, which ranks cannot say")
    }
    return bytes
  }

  private static func appendBase64(of token: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
    var rest = token
    while !rest.isEmpty {
      let three = rest.prefix(3)
      let word = three.reduce(0) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - three.count))
      for place in 0..<4 as Range<UInt32> {
        bytes.append(place <= UInt32(three.count) ? letters[Int(word >> (18 - 6 * place) & 63)] : UInt8(ascii: "="))
      }
      rest = rest.dropFirst(3)
    }
  }

  /// The pre-tokenizer that a part of a name names, between dots, dashes and underscores.
  private static func named(_ name: String) -> PreTokenizer? {
    let parts = name.lowercased().split { !($0.isLetter || $0.isNumber) }.map(String.init)
    return PreTokenizer.all.first { !$0.regexes.isEmpty && parts.contains($0.shortName) }
  }

  /// The tokens by rank; a rank that no line has is empty.
  private static func ranks(_ bytes: [UInt8]) throws(TextError) -> (table: TokenTable, used: Int) {
    var places: [(rank: Int, range: Range<Int>)] = [], decoded: [UInt8] = [], number = 0, start = 0
    decoded.reserveCapacity(bytes.count)
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      number += 1
      let line = bytes[start..<end].last == UInt8(ascii: "\r") ? bytes[start..<end - 1] : bytes[start..<end]
      start = end + 1
      if line.isEmpty { continue }
      guard let space = line.firstIndex(of: UInt8(ascii: " ")), let rank = number10(line[(space + 1)...]) else {
        throw .notBytePair("line \(number) is not a token in base64, a space and its rank")
      }
      let first = decoded.count
      guard appendBase64(line[..<space], to: &decoded), decoded.count > first else {
        throw .notBytePair("the token in line \(number) is not base64")
      }
      places.append((rank, first..<decoded.count))
    }
    guard let largest = places.map(\.rank).max() else { throw .notBytePair("it has no lines") }
    guard largest < 2 * places.count + 1000 else {
      throw .notBytePair("there is a rank \(largest), and there are \(places.count) lines")
    }
    var lines = [Int](repeating: -1, count: largest + 1)
    for (index, place) in places.enumerated() {
      guard lines[place.rank] < 0 else { throw .notBytePair("the rank \(place.rank) stands there twice") }
      lines[place.rank] = index
    }
    var table = TokenTable()
    table.reserveCapacity(tokens: lines.count, bytes: decoded.count)
    for line in lines { table.append(line < 0 ? [] : decoded[places[line].range]) }
    return (table, places.count)
  }

  private static func number10(_ digits: ArraySlice<UInt8>) -> Int? {
    guard !digits.isEmpty, digits.count <= 9 else { return nil }
    var value = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value
  }

  private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The value of each character of base64; 255 for others.
  private static let values: [UInt8] = {
    var table = [UInt8](repeating: 255, count: 256)
    for (value, letter) in letters.enumerated() { table[Int(letter)] = UInt8(value) }
    return table
  }()

  /// Adds what base64 stands for; false where it is none.
  private static func appendBase64(_ text: ArraySlice<UInt8>, to bytes: inout [UInt8]) -> Bool {
    guard text.count % 4 == 0 else { return false }
    let table = values, padding = text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
    var word: UInt32 = 0, bits = 0
    for letter in text.dropLast(padding) {
      let value = table[Int(letter)]
      if value == 255 { return false }
      word = word << 6 | UInt32(value)
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(bits)))
      }
    }
    return true
  }
}

extension PreTokenizer {
  /// Its name without signs: `gpt2`, `cl100k`, `llama3`; what options and names of files say.
  public var shortName: String { "\(scanner)" }

  /// The kind of this name, in either spelling.
  public static func named(_ name: String) -> PreTokenizer? { all.first { $0.shortName == name || $0.name == name } }
}
