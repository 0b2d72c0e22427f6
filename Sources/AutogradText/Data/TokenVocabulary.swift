import AutogradBase

/// The vocabulary of a file of tokens, which lies beside it.
public enum TokenVocabulary {
  package static let tokenizerName = "tokenizer.json"
  private static let metaName = "meta.json"
  package static let byteLimit = 100_000_000

  /// Reads `tokenizer.json` or, as nanoGPT's scripts would write it, `meta.json`: an object with `vocab_size` and `stoi`,
  /// which has the number of each character. (nanoGPT itself writes a pickle, which would have to be run to be read.)
  ///
  /// - Throws: `notTokens` of the file where neither is there; what is wrong with the one that is.
  public static func beside(_ path: String) throws(TextError) -> any Tokenizer {
    let folder = parentDirectory(of: path), files = POSIXFileSystem()
    if files.exists(folder + "/" + tokenizerName) { return try TokenizerFormat.tokenizer(at: folder + "/" + tokenizerName) }
    guard files.exists(folder + "/" + metaName) else {
      throw .notTokens(
        path: path,
        "there is no tokenizer.json or meta.json beside it, so that nobody knows what its tokens stand for; put one "
          + "there, or begin with the model that they were made for")
    }
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try files.read(folder + "/" + metaName, byteLimit: byteLimit)
    } catch {
      throw .file(error)
    }
    do throws(TextError) {
      return try character(meta: bytes)
    } catch {
      throw .inside(path: folder + "/" + metaName, line: nil, error)
    }
  }

  /// The vocabulary of nanoGPT's character data sets.
  ///
  /// - Throws: `notTokenizer`, unless the characters have the numbers 0, 1, 2, … in the order of their code points, which is
  ///   what nanoGPT gives them.
  package static func character(meta bytes: [UInt8]) throws(TextError) -> CharacterTokenizer {
    func refusal(_ reason: String) -> TextError { .notTokenizer(kind: "character vocabulary", reason: reason) }
    let json: JSON
    do throws(JSONError) {
      json = try JSON(parsing: bytes, limits: tokenizerFileLimits)
    } catch {
      throw .tokenizerNotJSON(error)
    }
    guard let members = json["stoi"]?.objectValue, !members.isEmpty else { throw refusal("it has no stoi") }
    var scalars = [Unicode.Scalar?](repeating: nil, count: members.count)
    for member in members {
      guard member.key.unicodeScalars.count == 1, case .integer(let value) = member.value, let id = Int(exactly: value),
        scalars.indices.contains(id), scalars[id] == nil
      else {
        throw refusal(
          "\(member.key.quotedForMessage) is no character, or its number is taken, or not in 0..<\(members.count)")
      }
      scalars[id] = member.key.unicodeScalars.first
    }
    if let size = json["vocab_size"], size.intValue != members.count {
      throw refusal("its vocab_size is not the \(members.count) of its stoi")
    }
    let found = scalars.compactMap { $0 }
    for (left, right) in zip(found, found.dropFirst()) where left >= right {
      throw refusal("its characters are not ordered by code point")
    }
    return CharacterTokenizer(sorted: found)
  }
}
