import Foundation
import AutogradTestSupport
import Testing

/// Files that lie, given to the command: one sentence, exit code 3, under a second of processor time and 512 MB.
@Suite("Untrusted input") struct UntrustedInputTests {
  #if DEBUG
    // Nothing is promised of unoptimised code, which takes ten to thirty times as long: only that it comes to an end.
    static let seconds = 60, isOptimized = false
  #else
    static let seconds = 1, isOptimized = true
  #endif

  private static let modelFiles = [
    "config": "config.json", "tokenizer": "tokenizer.json", "weights": "model.safetensors",
  ]

  /// A folder with a model that is in order, and a text for it.
  private func withModel(_ body: (String) throws -> Void) throws {
    try temporaryDirectory { path in
      for (target, name) in Self.modelFiles {
        try FileManager.default.copyItem(atPath: "\(fuzzCorpusFolder)/\(target)/base", toPath: "\(path)/\(name)")
      }
      try Data("abc".utf8).write(to: URL(fileURLWithPath: path + "/text"))
      try body(path)
    }
  }

  /// The targets whose files the command reads as they are. A new one has no place until somebody gives it one here.
  private enum Target: String {
    case json, safetensors, gguf, config, tokenizer, bytepair, tiktoken, merges, weights, index, text, tokens, lines, task
  }

  /// Where a target's file goes, and the command that reads it there.
  private func command(_ target: String, in folder: String) throws -> (file: String, arguments: [String]) {
    let data = ["data", "--block-size", "1", "--val-fraction", "0.4", "--threads", "1"]
    let evaluate = ["evaluate", "--model", folder, "--data", folder + "/text"]
    switch try #require(Target(rawValue: target), "no command reads files of \(target)") {
    case .safetensors: return (folder + "/x.safetensors", ["inspect", folder + "/x.safetensors"])
    case .gguf:
      let file = folder + "/x.gguf"
      return (file, ["evaluate", "--model", file, "--data", folder + "/text"])
    case .text: return (folder + "/text", evaluate)
    case .tokens: return (folder + "/x.bin", data + [folder + "/x.bin"])
    case .lines: return (folder + "/x.jsonl", data + [folder + "/x.jsonl"])
    case .task: return (folder + "/x.jsonl", ["evaluate", "--model", folder, "--task", folder + "/x.jsonl"])
    case .json, .config: return (folder + "/config.json", evaluate)
    case .tokenizer: return (folder + "/tokenizer.json", evaluate)
    case .bytepair: return (folder + "/x.json", ["tokenizer", "inspect", folder + "/x.json"])
    case .tiktoken: return (folder + "/x.gpt2.tiktoken", ["tokenizer", "inspect", folder + "/x.gpt2.tiktoken"])
    case .merges:
      let vocabulary = ##"{"a":0,"b":1,"\u0120":2,"ab":3,"\u0120ab":4,"#version:":5,"x":6}"##
      try Data(vocabulary.utf8).write(to: URL(fileURLWithPath: folder + "/vocab.json"))
      return (folder + "/merges.txt", ["tokenizer", "inspect", folder + "/merges.txt"])
    case .weights: return (folder + "/model.safetensors", evaluate)
    case .index:
      // Its shard holds the whole model.
      let shard = folder + "/model-00001-of-00001.safetensors"
      if !FileManager.default.fileExists(atPath: shard) {
        try FileManager.default.moveItem(atPath: folder + "/model.safetensors", toPath: shard)
      }
      return (folder + "/model.safetensors.index.json", evaluate)
    }
  }

  private func expectRefused(_ outcome: Outcome, _ sentence: String, _ file: String, _ folder: String) {
    #expect(outcome.status == 3, "\(outcome.errors)")
    let wanted = "error: " + sentence.replacing("@", with: file).replacing("%", with: folder)
    #expect(outcome.errors.hasPrefix(wanted), "\(outcome.errors)")
    #expect(outcome.errors.utf8.count { $0 == UInt8(ascii: "\n") } == 1)
    #expect(outcome.output.isEmpty)
  }

  /// The command believes files of a checkpoint only where their hashes fit: `CheckpointStoreTests` has those. Requests come
  /// from elsewhere.
  private static let lies = fuzzCorpus().filter {
    !["manifest", "record", "start", "encoding", "openai", "http"].contains($0.target)
  }

  @Test("each file of the corpus has its sentence", arguments: lies)
  func corpus(_ one: FuzzCorpusCase) throws {
    try withModel { folder in
      let (file, arguments) = try command(one.target, in: folder)
      try? FileManager.default.removeItem(atPath: file)
      try FileManager.default.copyItem(atPath: one.path, toPath: file)
      let outcome = try autograd(arguments, seconds: Self.seconds, megabytes: 512)
      if let sentence = one.sentence {
        expectRefused(outcome, sentence, file, folder)
      } else {
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.isEmpty && !outcome.output.isEmpty)
      }
      // Nothing in a file reaches the terminal as a command to it.
      for scalar in (outcome.output + outcome.errors).unicodeScalars where scalar != "\n" {
        #expect(scalar.properties.generalCategory != .control)
      }
    }
  }

  struct Huge: CustomTestStringConvertible {
    let testDescription: String
    let target: String
    let sentence: String
    let bytes: @Sendable () -> [UInt8]

    init(_ name: String, _ target: String, _ sentence: String, _ bytes: @escaping @Sendable () -> [UInt8]) {
      (testDescription, self.target, self.sentence, self.bytes) = (name, target, sentence, bytes)
    }
  }

  private static let inHeader = "@: safetensors: the header cannot be read: JSON "
  private static let inTokenizer = "@: the tokenizer file cannot be read: JSON "

  static let huge = [
    Huge("10^7 names", "safetensors", inHeader + "has more than 2000000 values (limit reached at byte 8999999)") {
      frame(object(10_000_000))
    },
    Huge("10^7 tokens", "tokenizer", inTokenizer + "has more than 1200000 keys (limit reached at byte 10800007)") {
      object(10_000_000)
    },
    Huge("10^7 merges", "tokenizer", inTokenizer + "has more than 6000000 values (limit reached at byte 11999999)") {
      var values = Array(",1".utf8)
      while values.count < 20_000_000 { values += values }
      return Array("[1".utf8) + values
    },
    Huge("a header of 10^7 brackets", "safetensors", inHeader + "has more than 2000000 values") {
      frame(Array("{\"a\":".utf8) + repeated("[", 10_000_000))
    },
    Huge("a tokenizer of 10^8 brackets", "tokenizer", inTokenizer + "has more than 6000000 values") {
      repeated("[", 100_000_000)
    },
    Huge("as many names as may be", "safetensors", "@: safetensors: tensor \"aaaa\" has no valid \"dtype\"") {
      frame(object(999_999))
    },
    Huge("a string of 10^8 bytes that never ends", "tokenizer", inTokenizer + "ends at byte 99999999 inside a value") {
      Array("[\"".utf8) + repeated("a", 99_999_997)
    },
    Huge("a large configuration", "config", "cannot read @: it has 1000001 bytes, more than the limit of 1000000") {
      repeated(" ", 1_000_001)
    },
    Huge("a tokenizer over 10^8 bytes", "tokenizer", "cannot read @: it has 100000001 bytes, more than the limit") {
      repeated(" ", 100_000_001)
    },
  ]

  @Suite("huge", .serialized, .enabled(if: isOptimized, "in a release build only: unoptimised code takes two minutes"))
  struct HugeTests {
    @Test("a huge lie takes little time and memory", arguments: UntrustedInputTests.huge)
    func refused(_ one: Huge) throws {
      let suite = UntrustedInputTests()
      try suite.withModel { folder in
        let (file, arguments) = try suite.command(one.target, in: folder)
        try Data(one.bytes()).write(to: URL(fileURLWithPath: file))
        let outcome = try autograd(arguments, seconds: UntrustedInputTests.seconds, megabytes: 512)
        suite.expectRefused(outcome, one.sentence, file, folder)
      }
    }
  }

  private static func repeated(_ character: Character, _ count: Int) -> [UInt8] {
    [UInt8](repeating: character.asciiValue ?? 0, count: count)
  }

  private static func frame(_ header: [UInt8]) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) } + header
  }

  /// `{"aaaa":1,"baaa":1,…}` with so many different keys of 4 letters.
  private static func object(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(ascii: "{"), count: 9 * count + 1)
    let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-".utf8)
    bytes.withUnsafeMutableBufferPointer { bytes in
      for index in 0..<count {
        let start = 9 * index + 1
        bytes[start] = UInt8(ascii: "\"")
        for place in 0..<4 { bytes[start + 1 + place] = letters[index >> (6 * place) & 63] }
        bytes[start + 5] = UInt8(ascii: "\"")
        bytes[start + 6] = UInt8(ascii: ":")
        bytes[start + 7] = UInt8(ascii: "1")
        bytes[start + 8] = UInt8(ascii: ",")
      }
      bytes[9 * count] = UInt8(ascii: "}")
    }
    return bytes
  }
}
