import ArgumentParser
import AutogradBase
import AutogradKernels
import AutogradText
import AutogradTraining

struct TokenizerEncode: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode",
    abstract: "Turns texts into ids.",
    discussion: """
      Prints the ids of each text on a line of its own. Without a path it reads standard input.
      """)

  @OptionGroup var vocabulary: NamedTokenizer

  @Argument(help: ArgumentHelp("Texts; - is standard input.", valueName: "path"))
  var paths: [String] = []

  @Option(name: [.long, .short], help: ArgumentHelp("Encode this text.", valueName: "text"))
  var text: String?

  @Flag(help: "Take names of special tokens in a text for the tokens.")
  var special = false

  @Flag(help: "Put the tokens around each text that its model expects.")
  var surround = false

  @Flag(help: "Print a JSON object for each text: its ids, and the bytes of each as text.")
  var json = false

  @Option(name: [.long, .customShort("T")], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    try checkThreads(threads)
    if text != nil, !paths.isEmpty { throw ValidationError("--text and a path both give the text; leave one out") }
  }

  mutating func run() throws { try reportingErrors { try encode() } }

  private func encode() throws {
    let tokenizer = try vocabulary.load(), pool = threads.map { ThreadPool(threads: $0) } ?? .shared
    if let text { return try show(Array(text.utf8), nil, tokenizer, pool) }
    for path in paths.isEmpty ? ["-"] : paths {
      let bytes: [UInt8]
      if path == "-" {
        var input = StandardInput()
        bytes = try input.all(byteLimit: TokenizerEncode.byteLimit)
      } else {
        bytes = try POSIXFileSystem().read(path, byteLimit: TokenizerEncode.byteLimit)
      }
      do throws(TextError) {
        try show(bytes, path, tokenizer, pool)
      } catch {
        throw TextError.inside(path: path == "-" ? "standard input" : path, line: nil, error)
      }
    }
  }

  /// Ids of a text are in memory at once.
  private static let byteLimit = 4 << 30

  private func show(_ bytes: [UInt8], _ path: String?, _ tokenizer: any Tokenizer, _ pool: ThreadPool) throws(TextError) {
    var ids = special
      ? try tokenizer.encode(bytes, specialTokens: .recognised) : try tokenizer.encode(bytes, pool: pool)
    if surround { ids = tokenizer.beginningTokens + ids + tokenizer.endTokens }
    guard json else { return showLine(of: ids) }
    let tokens = ids.map { JSON.string(String(decoding: tokenizer.bytes(of: $0), as: UTF8.self)) }
    let members = path.map { [JSON.Member("path", .string($0))] } ?? []
    let object = JSON.object(
      members + [
        JSON.Member("ids", .array(ids.map { .integer(Int64($0)) })), JSON.Member("tokens", .array(tokens)),
      ])
    Console.showLine(String(decoding: object.serialized(), as: UTF8.self))
  }

  /// In pieces: a text of 100 MB has 200 MB of ids.
  private func showLine(of ids: [Int32]) {
    for start in stride(from: 0, to: ids.count, by: 1 << 16) {
      let piece = ids[start..<min(ids.count, start + 1 << 16)].map(String.init).joined(separator: " ")
      Console.show((start > 0 ? " " : "") + piece)
      if !Console.isWritable { return }
    }
    Console.showLine("")
  }
}
