import AutogradBase
import AutogradTestSupport
import Testing

@testable import AutogradText

/// What Jinja made of ten conversations by the templates of models, as Scripts/make_chat_templates.py recorded it.
struct ChatFixture {
  let begin, end: String
  let conversations: [[ChatMessage]]
  /// By template: for each conversation, without and with what asks for an answer; nil where the template refuses it.
  let templates: [(name: String, renderings: [[String?]])]

  init() throws {
    let path = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    let bytes = try POSIXFileSystem().read(path + "/Fixtures/chat-templates.json", byteLimit: 4 << 20)
    let json = try JSON(parsing: bytes)
    begin = try #require(json["begin"]?.stringValue)
    end = try #require(json["end"]?.stringValue)
    conversations = (json["conversations"]?.arrayValue ?? []).map { ChatFixture.conversation($0) }
    templates = (json["templates"]?.arrayValue ?? []).map { template in
      let renderings = (template["renderings"]?.arrayValue ?? []).map { ($0.arrayValue ?? []).map(\.stringValue) }
      return (template["name"]?.stringValue ?? "", renderings)
    }
  }

  static func conversation(_ json: JSON) -> [ChatMessage] {
    (json.arrayValue ?? []).compactMap { message in
      guard let role = message[0]?.stringValue.flatMap({ ChatRole(rawValue: $0) }), let text = message[1]?.stringValue
      else { return nil }
      return ChatMessage(role, text)
    }
  }
}

extension JSON {
  fileprivate subscript(index: Int) -> JSON? {
    guard let list = arrayValue, list.indices.contains(index) else { return nil }
    return list[index]
  }
}

@Suite("ChatTemplate") struct ChatTemplateTests {
  @Test("every template writes ten conversations as Jinja does, byte for byte, and refuses what it refuses")
  func renderings() throws {
    let fixture = try ChatFixture()
    #expect(fixture.conversations.count == 10 && fixture.conversations.map(\.count) == [5, 2, 3, 4, 4, 3, 2, 3, 4, 3])
    #expect(fixture.templates.map(\.name).sorted() == ChatTemplate.all.map(\.name).sorted())
    var count = 0
    for (name, renderings) in fixture.templates {
      let template = try #require(ChatTemplate.named(name))
      for (number, conversation) in fixture.conversations.enumerated() {
        for asks in [false, true] {
          let expected = renderings[number][asks ? 1 : 0]
          let found = try? template.render(
            conversation, begin: fixture.begin, end: fixture.end, asksForAnswer: asks)
          // Jinja leaves a second system message out and keeps the space around it: that is refused.
          if name == "alpaca", number == 0 { #expect(found == nil) } else {
            let text = found.map { String(decoding: $0.bytes, as: UTF8.self) }
            #expect(text == expected, "\(name), conversation \(number)\(asks ? ", asking" : "")")
          }
          count += 1
        }
      }
    }
    #expect(count == 20 * ChatTemplate.all.count)
  }

  @Test("answers are what the assistant says with the token that ends the turn, and nothing else")
  func answers() throws {
    let conversation = [
      ChatMessage(.user, "Frage"), ChatMessage(.assistant, "ANTWORT"), ChatMessage(.user, "mehr"),
      ChatMessage(.assistant, "WEITER"),
    ]
    for template in ChatTemplate.all {
      let text = try template.render(conversation, begin: "<s>", end: "</s>")
      let answers = text.answers.map { String(decoding: text.bytes[$0], as: UTF8.self) }
      let end = template.endOfTurn.replacing("{eos}", with: "</s>")
      #expect(!end.isEmpty)
      let last = template.name == "qwen3" ? "<think>\n\n</think>\n\nWEITER" : "WEITER"
      #expect(answers == ["ANTWORT" + end, last + end], "\(template.name)")
    }
  }

  @Test("known texts name a template each, and every hash stands there once")
  func known() {
    let hashes = ChatTemplate.known.map(\.sha256)
    #expect(Set(hashes).count == hashes.count && hashes.allSatisfy { $0.utf8.count == 64 })
    #expect(ChatTemplate.known.allSatisfy { ChatTemplate.named($0.name) != nil })
    #expect(Set(ChatTemplate.all.map(\.name)).count == ChatTemplate.all.count)
  }

  @Test("a text that is not known is told by its hash, line feeds at its end left out")
  func unknown() throws {
    guard case .unknown(let sha256) = ChatTemplateChoice.recognised("{{ messages }}\n") else {
      Issue.record("it is recognised")
      return
    }
    #expect(.unknown(sha256: sha256) == ChatTemplateChoice.recognised("{{ messages }}"))
    #expect(throws: TextError.unknownTemplate(sha256: sha256)) {
      try ChatTemplateChoice.recognised("{{ messages }}").template()
    }
    #expect("\(TextError.unknownTemplate(sha256: sha256))".contains("chatml, "))
  }
}
