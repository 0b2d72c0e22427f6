import AutogradBase
import AutogradModels
import AutogradText

/// What a model says at the end: tokens, or texts where it has no token for it.
public struct Ends: Sendable {
  public var tokens: Set<Int32>
  public var texts: [String]

  public init(tokens: Set<Int32> = [], texts: [String] = []) {
    self.tokens = tokens
    self.texts = texts
  }
}

/// The model that a server has, as far as requests and answers have to do with it.
public struct ServedModel: Sendable {
  /// As clients call it.
  public let name: String
  public let tokenizer: any Tokenizer
  /// What ends a text, and what ends an answer in a conversation.
  public let textEnds, answerEnds: Ends
  /// How it writes conversations; nil where it has none.
  public let form: AnswerForm?
  /// Tokens of one prompt and its answer together.
  public let contextSize: Int
  /// Rows of the model's vocabulary; the tokenizer's may be fewer.
  public let vocabularySize: Int
  let created = secondsSince1970()

  public init(
    name: String, tokenizer: any Tokenizer, textEnds: Ends = Ends(), answerEnds: Ends = Ends(), form: AnswerForm?,
    contextSize: Int, vocabularySize: Int
  ) {
    self.name = name
    self.textEnds = textEnds
    self.answerEnds = answerEnds
    self.tokenizer = tokenizer
    self.form = form
    self.contextSize = contextSize
    self.vocabularySize = vocabularySize
  }

  var json: JSON {
    .object([
      JSON.Member("id", .string(name)), JSON.Member("object", .string("model")),
      JSON.Member("created", .integer(Int64(created))), JSON.Member("owned_by", .string("autograd")),
      JSON.Member("context_length", .integer(Int64(contextSize))),
      JSON.Member("chat", .bool(form?.template != nil)),
    ])
  }

  // MARK: What a request asks of it

  /// - Throws: With status 404 where another model is meant.
  func checkName(_ name: String) throws(APIError) {
    if name.hasSameBytes(as: self.name) { return }
    var error = APIError(
      "model", "there is no model \(name.quotedForMessage) here; there is \(self.name.quotedForMessage)",
      code: "model_not_found")
    error.status = 404
    throw error
  }

  /// The answers that a call asks for, one prompt after another, and for each the one that reads its prompt.
  ///
  /// - Parameter seed: What they are drawn by.
  /// - Throws: `APIError` of what the tokenizer, the template or the context do not take.
  func requests(_ call: CompletionCall, seed: UInt64) throws(APIError) -> (requests: [GenerationRequest], leaders: [Int?]) {
    if let name = call.model { try checkName(name) }
    for token in call.sampler.logitBias.keys.sorted() where token >= vocabularySize {
      throw APIError("logit_bias", "logit_bias has token \(token), and the vocabulary has \(vocabularySize)")
    }
    let ends = call.endpoint == .chat ? answerEnds : textEnds
    var requests: [GenerationRequest] = [], leaders: [Int?] = []
    for prompt in call.prompts {
      var options = GenerationOptions()
      let prompt = try tokens(prompt)
      options.maximumTokens = try maximumTokens(call, promptCount: prompt.count)
      options.sampler = call.sampler
      options.sampler.seed = seed
      options.stops = call.stops + ends.texts
      options.topLogprobs = call.topCount
      var request = GenerationRequest(prompt: prompt, options: options, ends: ends.tokens)
      request.tellsPrompt = call.echoes && call.topCount != nil
      let leader = requests.count
      for index in 0..<call.count {
        request.options.stream = UInt32(index)
        requests.append(request)
        leaders.append(index == 0 ? nil : leader)
      }
    }
    return (requests, leaders)
  }

  private func tokens(_ prompt: CompletionCall.Prompt) throws(APIError) -> [Int32] {
    let field = if case .messages = prompt { "messages" } else { "prompt" }
    let tokens: [Int32]
    do throws(TextError) {
      switch prompt {
      case .text(let text): tokens = try tokenizer.encode(text)
      case .tokens(let ids): tokens = ids
      case .messages(let messages):
        guard let form else { throw .noTemplate }
        tokens = try form.tokens(askingAfter: messages, tokenizer)
      }
    } catch .noTemplate {
      throw APIError(
        field, "this model brings no chat template; ask \(CompletionCall.Endpoint.completions.rawValue) to continue a text")
    } catch {
      throw APIError(field, "\(error)")
    }
    if tokens.isEmpty { throw APIError(field, "the prompt has no tokens in this vocabulary; give another text") }
    if let token = tokens.first(where: { Int($0) >= vocabularySize }) {
      throw APIError(field, "the prompt has token \(token), and the vocabulary has \(vocabularySize)")
    }
    return tokens
  }

  private func maximumTokens(_ call: CompletionCall, promptCount: Int) throws(APIError) -> Int {
    let field = call.endpoint == .chat ? "messages" : "prompt", room = contextSize - promptCount
    if room < (call.maximumTokens == 0 ? 0 : 1) {
      throw APIError(
        field, "the prompt has \(promptCount) tokens, and the context holds \(contextSize) with the answer; shorten it",
        code: "context_length_exceeded")
    }
    if let count = call.maximumTokens {
      guard count <= room else {
        throw APIError(
          "max_tokens", "\(promptCount) tokens of the prompt and \(count) of the answer are more than the context of "
            + "\(contextSize); ask for at most \(room)", code: "context_length_exceeded")
      }
      return count
    }
    return call.endpoint == .chat ? room : min(16, room)
  }
}
