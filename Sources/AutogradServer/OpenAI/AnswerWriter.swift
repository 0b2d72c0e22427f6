import AutogradBase
import AutogradModels

/// Writes answers as OpenAI's API has them, whole or piece by piece.
struct AnswerWriter: Sendable {
  private let call: CompletionCall
  private let model: ServedModel
  private let seed: UInt64
  private let id: String
  private let created = secondsSince1970()

  init(_ call: CompletionCall, _ model: ServedModel, seed: UInt64) {
    self.call = call
    self.model = model
    self.seed = seed
    var generator = SystemRandomNumberGenerator()
    let digits = String(UInt64.random(in: 0...UInt64.max, using: &generator), radix: 16)
    id = (call.endpoint == .chat ? "chatcmpl-" : "cmpl-") + String(repeating: "0", count: 16 - digits.count) + digits
  }

  // MARK: Whole answers

  func whole(_ choices: [WrittenChoice], _ usage: GenerationUsage) -> JSON {
    let list = choices.enumerated().map { index, choice in
      var members = [JSON.Member("index", .integer(Int64(index)))]
      switch call.endpoint {
      case .completions: members.append(JSON.Member("text", .string(choice.text)))
      case .chat:
        members.append(
          JSON.Member(
            "message",
            .object([
              JSON.Member("role", .string("assistant")), JSON.Member("content", .string(choice.text)),
              JSON.Member("refusal", .null),
            ])))
      }
      members.append(JSON.Member("logprobs", logprobs(choice.reports, offset: 0)))
      members.append(JSON.Member("finish_reason", choice.finish.map { .string($0.apiName) } ?? .null))
      return JSON.object(members)
    }
    return frame(call.endpoint == .chat ? "chat.completion" : "text_completion", list, usage)
  }

  // MARK: Pieces

  /// What opens an answer in a conversation; nil for a text that is continued.
  func opening(_ index: Int) -> JSON? {
    guard call.endpoint == .chat else { return nil }
    let delta: [JSON.Member] = [
      JSON.Member("role", .string("assistant")), JSON.Member("content", .string("")), JSON.Member("refusal", .null),
    ]
    return piece(index, [JSON.Member("delta", .object(delta)), JSON.Member("logprobs", .null)], nil)
  }

  /// - Parameter offset: Characters of the tokens that were told before.
  func piece(_ index: Int, _ text: String, _ reports: [TokenReport], offset: Int) -> JSON {
    let content =
      call.endpoint == .chat
      ? JSON.Member("delta", .object([JSON.Member("content", .string(text))])) : JSON.Member("text", .string(text))
    return piece(index, [content, JSON.Member("logprobs", logprobs(reports, offset: offset))], nil)
  }

  func ending(_ index: Int, _ reason: FinishReason) -> JSON {
    let content =
      call.endpoint == .chat ? JSON.Member("delta", .object([])) : JSON.Member("text", .string(""))
    return piece(index, [content, JSON.Member("logprobs", .null)], reason)
  }

  /// What it took, at the end of all pieces.
  func usagePiece(_ usage: GenerationUsage) -> JSON { frame(pieceKind, [], usage) }

  private func piece(_ index: Int, _ content: [JSON.Member], _ reason: FinishReason?) -> JSON {
    let choice = [JSON.Member("index", .integer(Int64(index)))] + content
      + [JSON.Member("finish_reason", reason.map { .string($0.apiName) } ?? .null)]
    return frame(pieceKind, [.object(choice)], nil)
  }

  private var pieceKind: String { call.endpoint == .chat ? "chat.completion.chunk" : "text_completion" }

  // MARK: Parts

  private func frame(_ kind: String, _ choices: [JSON], _ usage: GenerationUsage?) -> JSON {
    var members = [
      JSON.Member("id", .string(id)), JSON.Member("object", .string(kind)),
      JSON.Member("created", .integer(Int64(created))), JSON.Member("model", .string(model.name)),
      JSON.Member("choices", .array(choices)),
      // By it the same answer can be had again.
      JSON.Member("seed", .integer(Int64(clamping: seed))),
    ]
    if let usage {
      members.append(
        JSON.Member(
          "usage",
          .object([
            JSON.Member("prompt_tokens", .integer(Int64(usage.promptTokens))),
            JSON.Member("completion_tokens", .integer(Int64(usage.answerTokens))),
            JSON.Member("total_tokens", .integer(Int64(usage.promptTokens + usage.answerTokens))),
            JSON.Member(
              "prompt_tokens_details", .object([JSON.Member("cached_tokens", .integer(Int64(usage.reusedTokens)))])),
          ])))
    } else if call.streamsUsage {
      members.append(JSON.Member("usage", .null))
    }
    return .object(members)
  }

  private func logprobs(_ reports: [TokenReport], offset: Int) -> JSON {
    if call.topCount == nil || (reports.isEmpty && call.streams) { return .null }
    return call.endpoint == .chat ? chatLogprobs(reports) : textLogprobs(reports, offset)
  }

  private func chatLogprobs(_ reports: [TokenReport]) -> JSON {
    var content: [JSON] = []
    for report in reports {
      let top = report.top.map { JSON.object(described($0.token, $0.logprob)) }
      content.append(.object(described(report.token, report.logprob) + [JSON.Member("top_logprobs", .array(top))]))
    }
    return .object([JSON.Member("content", .array(content)), JSON.Member("refusal", .null)])
  }

  private func textLogprobs(_ reports: [TokenReport], _ offset: Int) -> JSON {
    var tokens: [JSON] = [], logprobs: [JSON] = [], top: [JSON] = [], offsets: [JSON] = [], next = offset
    for report in reports {
      let name = text(report.token)
      tokens.append(.string(name))
      offsets.append(.integer(Int64(next)))
      next += name.unicodeScalars.count
      if let logprob = report.logprob {
        logprobs.append(.number(logprob))
        top.append(.object(table(report.top)))
      } else {
        logprobs.append(.null)
        top.append(.null)
      }
    }
    return .object([
      JSON.Member("tokens", .array(tokens)), JSON.Member("token_logprobs", .array(logprobs)),
      JSON.Member("top_logprobs", .array(top)), JSON.Member("text_offset", .array(offsets)),
    ])
  }

  private func described(_ token: Int32, _ logprob: Double?) -> [JSON.Member] {
    [
      JSON.Member("token", .string(text(token))), JSON.Member("logprob", logprob.map { .number($0) } ?? .null),
      JSON.Member("bytes", .array(bytes(token).map { .integer(Int64($0)) })),
    ]
  }

  /// Tokens that look the same, pieces of characters above all, are told once, with the likeliest.
  private func table(_ choices: [TokenChoice.Alternative]) -> [JSON.Member] {
    var members: [JSON.Member] = []
    for choice in choices {
      let name = text(choice.token)
      if !members.contains(where: { $0.key.hasSameBytes(as: name) }) { members.append(JSON.Member(name, .number(choice.logprob))) }
    }
    return members
  }

  private func bytes(_ token: Int32) -> ArraySlice<UInt8> {
    Int(token) < model.tokenizer.vocabularySize ? model.tokenizer.bytes(of: token) : []
  }

  func text(_ token: Int32) -> String { String(decoding: bytes(token), as: UTF8.self) }
}

/// An answer as far as it is there.
struct WrittenChoice: Sendable {
  var text = ""
  var reports: [TokenReport] = []
  var finish: FinishReason?
}

extension FinishReason {
  /// As OpenAI calls it.
  var apiName: String {
    switch self {
    case .endToken, .stopString: "stop"
    case .length, .cancelled: "length"
    }
  }
}
