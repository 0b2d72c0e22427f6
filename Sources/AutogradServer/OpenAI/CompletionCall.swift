import AutogradBase
import AutogradModels
import AutogradText

/// What a request to one of the two endpoints asks for, read strictly: every field is used, or refused by name.
public struct CompletionCall: Sendable {
  public enum Endpoint: String, Sendable, CaseIterable {
    case completions = "/v1/completions"
    case chat = "/v1/chat/completions"
  }

  /// What is to be continued.
  public enum Prompt: Sendable, Equatable {
    case text(String)
    case tokens([Int32])
    case messages([ChatMessage])
  }

  public let endpoint: Endpoint
  public internal(set) var model: String?
  /// At least one.
  public internal(set) var prompts: [Prompt] = []
  /// Answers to each prompt.
  public internal(set) var count = 1
  /// Nil leaves it to the endpoint: 16 for completions, as OpenAI has it, the rest of the context for chat.
  public internal(set) var maximumTokens: Int?
  public internal(set) var sampler = Sampler()
  /// Nil draws one.
  public internal(set) var seed: UInt64?
  public internal(set) var stops: [String] = []
  public internal(set) var topCount: Int?
  public internal(set) var echoes = false
  public internal(set) var streams = false
  public internal(set) var streamsUsage = false

  /// Reads a request's body.
  ///
  /// - Throws: `APIError` of status 400, with the field's name.
  public init(_ body: [UInt8], _ endpoint: Endpoint, _ limits: ServerLimits) throws(APIError) {
    self.endpoint = endpoint
    var fields = try RequestFields(body, limits)
    model = try fields.string("model")
    switch endpoint {
    case .completions:
      prompts = try CompletionCall.prompts(fields.take("prompt"))
      maximumTokens = try fields.integer("max_tokens", 0...(limits.answerTokens ?? .max))
      topCount = try fields.integer("logprobs", 0...5)
      echoes = try fields.flag("echo") ?? false
    case .chat:
      prompts = [.messages(try CompletionCall.messages(fields.take("messages")))]
      try readChatLengths(&fields, limits)
    }
    count = try fields.integer("n", 1...limits.choices) ?? 1
    if prompts.count * count > limits.choices {
      throw APIError(
        "n", "\(prompts.count) prompts with n = \(count) are more answers than the \(limits.choices) of one request")
    }
    try readSampling(&fields, limits)
    stops = try CompletionCall.stops(fields.take("stop"), limits)
    try readStreaming(&fields)
    try fields.finish()
  }

  private mutating func readChatLengths(_ fields: inout RequestFields, _ limits: ServerLimits) throws(APIError) {
    let range = 1...(limits.answerTokens ?? .max)
    let new = try fields.integer("max_completion_tokens", range), old = try fields.integer("max_tokens", range)
    if new != nil, old != nil {
      throw APIError("max_tokens", "max_tokens and max_completion_tokens mean the same; leave out max_tokens")
    }
    maximumTokens = new ?? old
    let tells = try fields.flag("logprobs") ?? false, top = try fields.integer("top_logprobs", 0...20)
    if top != nil, !tells { throw APIError("top_logprobs", "top_logprobs means nothing unless logprobs is true") }
    topCount = tells ? top ?? 0 : nil
  }

  private mutating func readSampling(_ fields: inout RequestFields, _ limits: ServerLimits) throws(APIError) {
    // What OpenAI's API has where nothing is said, not what `generate` has.
    sampler.temperature = try fields.number("temperature", 0...2) ?? 1
    sampler.topP = try fields.number("top_p", 0...1) ?? 1
    let topK = try fields.integer("top_k", 0...Int.max) ?? 0
    sampler.topK = topK == 0 ? nil : topK
    sampler.minP = try fields.number("min_p", 0...1) ?? 0
    sampler.repetitionPenalty = try fields.number("repetition_penalty", 0.01...100) ?? 1
    sampler.presencePenalty = try fields.number("presence_penalty", -2...2) ?? 0
    sampler.frequencyPenalty = try fields.number("frequency_penalty", -2...2) ?? 0
    sampler.logitBias = try CompletionCall.biases(fields.take("logit_bias"), limits)
    seed = try fields.integer("seed", 0...Int.max).map { UInt64($0) }
  }

  private mutating func readStreaming(_ fields: inout RequestFields) throws(APIError) {
    streams = try fields.flag("stream") ?? false
    guard let options = fields.take("stream_options") else { return }
    guard streams else { throw APIError("stream_options", "stream_options means nothing unless stream is true") }
    guard case .object(let members) = options else {
      throw APIError("stream_options", "stream_options must be an object, got \(options.shown)")
    }
    for member in members {
      guard member.key == "include_usage" else {
        throw APIError(
          "stream_options",
          "stream_options has \(member.key.quotedForMessage), which is not known here; only include_usage is")
      }
      guard let flag = member.value.boolValue else {
        throw APIError("stream_options", "include_usage must be true or false, got \(member.value.shown)")
      }
      streamsUsage = flag
    }
  }
}

// MARK: Fields with more than one form

extension CompletionCall {
  private static func prompts(_ value: JSON?) throws(APIError) -> [Prompt] {
    guard let value else { throw APIError("prompt", "the prompt is missing: give a text, or tokens") }
    let prompts: [Prompt]
    switch value {
    case .string(let text): prompts = [.text(text)]
    case .array(let values):
      if values.isEmpty { throw APIError("prompt", "the prompt is an empty array; give a text, or tokens") }
      switch values[0] {
      case .string:
        prompts = try CompletionCall.list(values, "prompt", "a string, as the first is") { $0.stringValue }.map { .text($0) }
      case .array:
        let lists = try CompletionCall.list(values, "prompt", "an array of tokens, as the first is") { $0.arrayValue }
        var all: [Prompt] = []
        for (index, list) in lists.enumerated() { all.append(.tokens(try tokens(list, "prompt[\(index)]"))) }
        prompts = all
      default: prompts = [.tokens(try tokens(values, "prompt"))]
      }
    default:
      throw APIError("prompt", "the prompt must be a string, an array of strings or one of tokens, got \(value.shown)")
    }
    for (index, prompt) in prompts.enumerated() {
      let place = prompts.count > 1 ? "prompt[\(index)]" : "the prompt"
      if prompt == .text("") { throw APIError("prompt", "\(place) is empty; give at least one character") }
      if prompt == .tokens([]) { throw APIError("prompt", "\(place) has no tokens; give at least one") }
    }
    return prompts
  }

  /// The elements of an array, all of one kind.
  private static func list<Element>(
    _ values: [JSON], _ place: String, _ kind: String, _ read: (JSON) -> Element?
  ) throws(APIError) -> [Element] {
    var elements: [Element] = []
    for (index, value) in values.enumerated() {
      guard let element = read(value) else {
        throw APIError(place, "\(place)[\(index)] must be \(kind), got \(value.shown)")
      }
      elements.append(element)
    }
    return elements
  }

  private static func tokens(_ values: [JSON], _ place: String) throws(APIError) -> [Int32] {
    var tokens: [Int32] = []
    for (index, value) in values.enumerated() {
      guard let token = value.intValue.flatMap({ Int32(exactly: $0) }), token >= 0 else {
        throw APIError("prompt", "\(place)[\(index)] must be a token's number, got \(value.shown)")
      }
      tokens.append(token)
    }
    return tokens
  }

  private static func messages(_ value: JSON?) throws(APIError) -> [ChatMessage] {
    guard let value else { throw APIError("messages", "messages are missing: give an array of them") }
    guard let values = value.arrayValue else { throw APIError("messages", "messages must be an array, got \(value.shown)") }
    if values.isEmpty { throw APIError("messages", "messages are empty; give at least one") }
    var messages: [ChatMessage] = []
    for (index, value) in values.enumerated() {
      guard case .object(let members) = value else {
        throw APIError("messages[\(index)]", "message \(index) must be an object, got \(value.shown)")
      }
      messages.append(try message(members, "messages[\(index)]"))
    }
    return messages
  }

  private static func message(_ members: [JSON.Member], _ place: String) throws(APIError) -> ChatMessage {
    var role: ChatRole?, content: String?
    for member in members where !member.value.isNull {
      let place = place + "." + member.key.escapedForDisplay.prefix(60)
      switch member.key {
      case "role": role = try chatRole(member.value, place)
      case "content": content = try text(member.value, place)
      // What clients send back of an answer that had none of it.
      case _ where ["tool_calls", "annotations"].contains(member.key) && member.value == .array([]): continue
      default: throw APIError(place, "\(place) is not supported here; leave it out")
      }
    }
    guard let role else { throw APIError(place, "\(place) has no role: system, user or assistant") }
    guard let content else { throw APIError(place, "\(place) has no content: give a text") }
    return ChatMessage(role, content)
  }

  private static func chatRole(_ value: JSON, _ place: String) throws(APIError) -> ChatRole {
    // The newer word for the same.
    if value == .string("developer") { return .system }
    guard let role = value.stringValue.flatMap(ChatRole.init(rawValue:)) else {
      throw APIError(place, "\(place) must be system, developer, user or assistant, got \(value.shown)")
    }
    return role
  }

  /// A text, or an array of parts that are texts.
  private static func text(_ value: JSON, _ place: String) throws(APIError) -> String {
    if let text = value.stringValue { return text }
    guard let parts = value.arrayValue else {
      throw APIError(place, "\(place) must be a text or an array of parts, got \(value.shown)")
    }
    var whole = ""
    for (index, part) in parts.enumerated() {
      let part = (place: "\(place)[\(index)]", value: part)
      guard case .object(let members) = part.value else {
        throw APIError(place, "\(part.place) must be {\"type\": \"text\", \"text\": …}, got \(part.value.shown)")
      }
      guard let type = part.value["type"], type == .string("text") else {
        throw APIError(place, "\(part.place) has the type \(part.value["type"]?.shown ?? "null"); only \"text\" is understood")
      }
      guard members.count == 2, let text = part.value["text"]?.stringValue else {
        throw APIError(place, "\(part.place) must have a text, and nothing beside its type")
      }
      whole += text
    }
    return whole
  }

  private static func stops(_ value: JSON?, _ limits: ServerLimits) throws(APIError) -> [String] {
    guard let value else { return [] }
    let values = value.arrayValue ?? [value]
    if values.count > limits.stops {
      throw APIError("stop", "stop has \(values.count) texts; \(limits.stops) are allowed")
    }
    if value.arrayValue == nil, value.stringValue == nil {
      throw APIError("stop", "stop must be a text or an array of texts, got \(value.shown)")
    }
    let stops = try list(values, "stop", "a text") { $0.stringValue }
    if stops.contains("") { throw APIError("stop", "stop has an empty text, which would end everything; leave it out") }
    return stops
  }

  private static func biases(_ value: JSON?, _ limits: ServerLimits) throws(APIError) -> [Int32: Float] {
    guard let value else { return [:] }
    guard case .object(let members) = value else {
      throw APIError("logit_bias", "logit_bias must be an object of tokens and numbers, got \(value.shown)")
    }
    if members.count > limits.biases {
      throw APIError("logit_bias", "logit_bias has \(members.count) tokens; \(limits.biases) are allowed")
    }
    var biases: [Int32: Float] = [:]
    for member in members {
      guard let token = Int32(member.key), token >= 0 else {
        throw APIError("logit_bias", "logit_bias has the key \(member.key.quotedForMessage), which is no token's number")
      }
      guard let bias = member.value.doubleValue, (-100...100).contains(bias) else {
        throw APIError("logit_bias", "the bias of token \(token) must be a number from -100 to 100, got \(member.value.shown)")
      }
      guard biases.updateValue(Float(bias), forKey: token) == nil else {
        throw APIError("logit_bias", "logit_bias has token \(token) twice; leave one out")
      }
    }
    return biases
  }
}
