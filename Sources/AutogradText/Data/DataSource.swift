import AutogradBase

/// What a path names that somebody wants a model trained on.
public enum DataSource: Sendable {
  /// Texts, and where they came with some to validate with, those.
  case texts(training: [TextInput], validation: [TextInput]?)
  /// Files of tokens in the order in which they follow one another.
  case tokens(training: [String], validation: [String]?)

  /// Looks at a path: a file, a folder, or a pattern with `*`, `?` or `[…]` where nothing has that name.
  ///
  /// - `.jsonl` and `.ndjson` hold a document in each line, `.bin` holds tokens, anything else is one plain text.
  /// - A folder with `train.bin` is nanoGPT's, one with `train.jsonl` mlx-lm's: what stands beside to validate with
  ///   (`val.bin`, `valid.jsonl` or `val.jsonl`) is taken for that, and nothing else of the folder is read. Of any other folder all files
  ///   are read, those in its folders, too, but for names that begin with a dot, in the order of their paths' bytes.
  ///
  /// - Throws: `file`, `emptyFile` of a file that was named, `notTexts`.
  public static func named(_ path: String) throws(TextError) -> DataSource {
    let files = POSIXFileSystem()
    guard files.exists(path) else {
      let found = pathsMatching(path)
      guard !found.isEmpty else {
        if path.contains(where: { "*?[".contains($0) }) { throw .notTexts(path: path, "no file's name matches it") }
        return try file(path)
      }
      return try all(found)
    }
    guard files.isDirectory(path) else { return try file(path) }
    if files.exists(path + "/train.bin") { return try file(path + "/train.bin") }
    if files.exists(path + "/train.jsonl") {
      let other = ["/valid.jsonl", "/val.jsonl"].map { path + $0 }.first { files.exists($0) }
      var validation: [TextInput]? = nil
      if let other { validation = [try text(other, .lines)] }
      return .texts(training: [try text(path + "/train.jsonl", .lines)], validation: validation)
    }
    return try all([path])
  }

  private enum Content { case plain, lines, tokens }

  private static func content(_ path: String) -> Content {
    if path.hasSuffix(".bin") { return .tokens }
    return path.hasSuffix(".jsonl") || path.hasSuffix(".ndjson") ? .lines : .plain
  }

  private static func file(_ path: String) throws(TextError) -> DataSource {
    switch content(path) {
    case .plain: return .texts(training: [try text(path, .plain)], validation: nil)
    case .lines: return .texts(training: [try text(path, .lines)], validation: nil)
    case .tokens:
      let ending = "train.bin", other = String(path.dropLast(ending.count)) + "val.bin"
      let isPair = path == ending || path.hasSuffix("/" + ending)
      return .tokens(training: [path], validation: isPair && POSIXFileSystem().exists(other) ? [other] : nil)
    }
  }

  private static func text(_ path: String, _ kind: TextInput.Kind) throws(TextError) -> TextInput {
    let input = try TextInput(path, kind: kind)
    if input.textByteCount == 0 { throw .emptyFile(path: path) }
    return input
  }

  /// What other programs put beside files of tokens, to say what these stand for.
  private static let besideTokens = ["tokenizer.json", "meta.json", "meta.pkl", "tokenizer_config.json", "tokenizer.model"]

  private static func isBesideTokens(_ path: String) -> Bool {
    besideTokens.contains { path == $0 || path.hasSuffix("/" + $0) }
  }

  /// Everything below some paths; empty files are left out, and so are runs: what a run writes is not what it reads.
  private static func all(_ paths: [String]) throws(TextError) -> DataSource {
    var found: [String] = []
    for path in paths { try collect(path, depth: 0, &found) }
    if found.contains(where: { content($0) == .tokens }) { found.removeAll(where: isBesideTokens) }
    guard let first = found.first else { throw .notTexts(path: paths[0], "there is no file in it; name a file") }
    if content(first) == .tokens, found.allSatisfy({ content($0) == .tokens }) {
      return .tokens(training: found, validation: nil)
    }
    var inputs: [TextInput] = []
    for path in found {
      guard content(path) != .tokens else {
        throw .notTexts(path: path, "it is a file of tokens among texts; name either by itself")
      }
      let input = try TextInput(path, kind: content(path) == .lines ? .lines : .plain)
      if input.textByteCount > 0 { inputs.append(input) }
    }
    guard !inputs.isEmpty else { throw .emptyFile(path: paths[0]) }
    return .texts(training: inputs, validation: nil)
  }

  /// What every run has in its folder from its beginning on.
  package static let runRecordName = "run.json"

  /// Deeper folders are a circle of links.
  private static let deepest = 40

  private static func collect(_ path: String, depth: Int, _ found: inout [String]) throws(TextError) {
    let files = POSIXFileSystem()
    guard files.isDirectory(path) else { return found.append(path) }
    if depth > 0, files.exists(path + "/" + runRecordName) { return }
    guard depth < deepest else {
      throw .notTexts(path: path, "its folders are more than \(deepest) deep; links may lead in a circle")
    }
    let names: [String]
    do throws(FileError) {
      names = try files.list(path).filter { !$0.hasPrefix(".") }
    } catch {
      throw .file(error)
    }
    // In the order of whole paths: a folder's name is followed by a slash.
    let prefix = path.hasSuffix("/") ? path : path + "/"
    let ordered = names.map { (name: $0, key: files.isDirectory(prefix + $0) ? $0 + "/" : $0) }
      .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    for (name, _) in ordered { try collect(prefix + name, depth: depth + 1, &found) }
  }
}
