import AutogradBase
import AutogradModels

/// What a line that begins with a slash does in a conversation.
struct ChatVerb: Sendable {
  let name: String
  /// What stands behind it, in words; empty where nothing does.
  let argument: String
  let meaning: String
  /// How it is written; shown where somebody wrote it otherwise.
  let example: String
  /// Does it; false where the argument is not what it takes.
  let run: @Sendable (inout ChatTalk, String) throws -> Bool

  static let all: [ChatVerb] = [
    ChatVerb(name: "/system", argument: "TEXT", meaning: "what it is told first", example: "/system Be brief.") {
      talk, text in
      try talk.conversation.setSystem(text)
      return true
    },
    ChatVerb(name: "/temp", argument: "X", meaning: "below 1, safer draws", example: "/temp 0.8") { talk, text in
      guard let value = Double(text), value >= 0, value.isFinite else { return false }
      talk.conversation.options.sampler.temperature = value
      return true
    },
    ChatVerb(name: "/topk", argument: "N", meaning: "draw from the N best", example: "/topk 200") { talk, text in
      guard let value = Int(text), value >= 1 else { return false }
      talk.conversation.options.sampler.topK = value
      return true
    },
    ChatVerb(name: "/len", argument: "N", meaning: "end after N tokens", example: "/len 500") { talk, text in
      guard let value = Int(text), value >= 1 else { return false }
      talk.conversation.options.maximumTokens = value
      return true
    },
    ChatVerb(name: "/save", argument: "FILE", meaning: "write what was said", example: "/save talk.json") { talk, path in
      if path.isEmpty { return false }
      try talk.save(path)
      return true
    },
    ChatVerb(name: "/load", argument: "FILE", meaning: "go on with what is there", example: "/load talk.json") { talk, path in
      if path.isEmpty { return false }
      try talk.load(path)
      return true
    },
    ChatVerb(name: "/reset", argument: "", meaning: "forget what was said", example: "/reset") { talk, text in
      talk.conversation.reset()
      return text.isEmpty
    },
    ChatVerb(name: "/stats", argument: "", meaning: "speed and memory", example: "/stats") { talk, text in
      try talk.showStatistics()
      return text.isEmpty
    },
    ChatVerb(name: "/help", argument: "", meaning: "this list", example: "/help") { _, text in
      for line in help { Console.writeError(line) }
      return text.isEmpty
    },
    ChatVerb(name: "/quit", argument: "", meaning: "the end", example: "/quit") { talk, text in
      talk.hasQuit = text.isEmpty
      return text.isEmpty
    },
  ]

  /// A line for each, which fits into 40 columns.
  static let help: [String] = all.map { verb in "  " + "\(verb.name) \(verb.argument)".padded(to: 14) + verb.meaning }
}
