import ArgumentParser
import AutogradBase
import AutogradText

struct TokenizerDecode: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode",
    abstract: "Turns ids into text.",
    discussion: """
      Reads numbers with anything but digits between them, and writes the bytes that they
      stand for as they come. Nothing is added at the end.
      """)

  @OptionGroup var vocabulary: NamedTokenizer

  @Argument(help: ArgumentHelp("Ids; without any they are read from standard input.", valueName: "id"))
  var ids: [Int32] = []

  mutating func run() throws { try reportingErrors { try decode() } }

  private func decode() throws {
    var decoder = IDDecoder(tokenizer: try vocabulary.load())
    guard ids.isEmpty else {
      for id in ids { try decoder.push(Int(id)) }
      return decoder.flush()
    }
    var input = StandardInput()
    while let bytes = try input.some() {
      try decoder.push(bytes)
      decoder.flush()
    }
    try decoder.finish()
    decoder.flush()
  }
}

/// Takes ids as digits, and gives bytes.
private struct IDDecoder {
  let tokenizer: any Tokenizer
  private var number: Int?
  private var isNegative = false
  private var isAtBeginning = true
  private var written: [UInt8] = []

  init(tokenizer: any Tokenizer) { self.tokenizer = tokenizer }

  mutating func push(_ bytes: [UInt8]) throws {
    for byte in bytes {
      if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
        number = min((number ?? 0) * 10 + Int(byte - UInt8(ascii: "0")), 1 << 40)
      } else {
        try finish()
        isNegative = byte == UInt8(ascii: "-")
      }
    }
  }

  mutating func finish() throws {
    guard let id = number else { return }
    number = nil
    try push(isNegative ? -id : id)
  }

  mutating func push(_ id: Int) throws {
    guard id >= 0, id < tokenizer.vocabularySize else {
      throw InputError(
        sentence: "\(id) is no id of the vocabulary, which go from 0 to \(tokenizer.vocabularySize - 1); decode with the "
          + "vocabulary that made them")
    }
    written += tokenizer.bytes(of: Int32(id), isFirst: isAtBeginning)
    isAtBeginning = false
  }

  mutating func flush() {
    Console.show(written)
    written.removeAll(keepingCapacity: true)
  }
}
