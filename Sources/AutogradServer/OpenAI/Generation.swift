import AutogradBase
import AutogradModels

/// One request to an endpoint that generates: its answers, whole or in pieces.
struct Generation: Sendable {
  private let call: CompletionCall
  private let service: Service
  private let record: RequestRecord
  private let writer: AnswerWriter
  private let events: AsyncStream<(Int, GenerationEvent)>
  private let count: Int
  /// Texts that stand in front of answers.
  private let echoed: [String]

  /// Reads the request, and asks for its answers.
  ///
  /// - Throws: `APIError`: 400 where it is wrong, 404 for another model, 429 where too many wait.
  init(
    _ body: [UInt8], _ endpoint: CompletionCall.Endpoint, _ service: Service, _ record: RequestRecord
  ) throws(APIError) {
    let limits = service.settings.limits
    call = try CompletionCall(body, endpoint, limits)
    let seed = call.seed ?? UInt64(UInt32.random(in: 0...UInt32.max))
    let (requests, leaders) = try service.model.requests(call, seed: seed)
    self.service = service
    self.record = record
    let writer = AnswerWriter(call, service.model, seed: seed)
    self.writer = writer
    count = requests.count
    let perPrompt = call.count
    echoed = call.echoes
      ? call.prompts.flatMap { Array(repeating: $0.text(service.model), count: perPrompt) }
      : Array(repeating: "", count: requests.count)
    do throws(Batcher.Full) {
      events = try service.batcher.submit(
        requests, leaders: leaders, deadline: Deadline(seconds: limits.secondsForAnswer))
    } catch {
      throw APIError(
        status: 429, "\(service.batcher.load.waiting) answers wait already; ask again in a few seconds",
        type: "rate_limit_error", code: "too_many_requests", retryAfter: 2)
    }
  }

  /// - Throws: `APIError` where an answer fails before anything of it is sent.
  func response() async throws(APIError) -> ServerResponse {
    call.streams ? try await streamed() : try await whole()
  }

  private func whole() async throws(APIError) -> ServerResponse {
    var choices = echoed.map { WrittenChoice(text: $0) }, usage = GenerationUsage()
    for await (index, event) in events {
      switch event {
      case .prompt(let reports): choices[index].reports += reports
      case .text(let text, let reports):
        record.noteFirstToken()
        choices[index].text += text
        choices[index].reports += reports
      case .finished(let reason, let used):
        choices[index].finish = reason
        note(used, index, &usage)
      case .failed(let failure): throw APIError(failure)
      }
    }
    // Nobody waits for it any more: what is left is nobody's answer.
    guard choices.allSatisfy({ $0.finish != nil }) else { throw APIError(.ending) }
    return ServerResponse(200, writer.whole(choices, usage))
  }

  private func streamed() async throws(APIError) -> ServerResponse {
    // Whether there will be an answer is known with its first event.
    var iterator = events.makeAsyncIterator()
    guard let first = await iterator.next() else { throw APIError(.ending) }
    if case .failed(let failure) = first.1 { throw APIError(failure) }
    let generation = self
    return ServerResponse { send in
      var stream = EventStream(generation, send)
      try await stream.take(first)
      for await event in generation.events { try await stream.take(event) }
      try await stream.finish()
    }
  }

  /// The prompt counts once, however many answers it has.
  private func note(_ used: GenerationUsage, _ index: Int, _ total: inout GenerationUsage) {
    var used = used
    if index % call.count != 0 { (used.promptTokens, used.reusedTokens) = (0, 0) }
    total.promptTokens += used.promptTokens
    total.reusedTokens += used.reusedTokens
    total.answerTokens += used.answerTokens
    record.note(used)
  }

  /// Server-sent events under way.
  private struct EventStream {
    private let generation: Generation
    private let send: ServerResponse.Send
    private var usage = GenerationUsage()
    private var hasOpened: [Bool]
    /// Characters of the tokens that were told of each answer.
    private var offsets: [Int]
    private var hasFailed = false

    init(_ generation: Generation, _ send: @escaping ServerResponse.Send) {
      self.generation = generation
      self.send = send
      hasOpened = Array(repeating: false, count: generation.count)
      offsets = Array(repeating: 0, count: generation.count)
    }

    mutating func take(_ event: (Int, GenerationEvent)) async throws {
      let (index, writer) = (event.0, generation.writer)
      if hasFailed { return }
      try await open(index)
      switch event.1 {
      case .prompt(let reports): try await tell(index, "", reports)
      case .text(let text, let reports):
        generation.record.noteFirstToken()
        if !text.isEmpty || !reports.isEmpty { try await tell(index, text, reports) }
      case .finished(let reason, let used):
        generation.note(used, index, &usage)
        try await send(writer.ending(index, reason))
      case .failed(let failure):
        hasFailed = true
        try await send(APIError(failure).json)
      }
    }

    private mutating func open(_ index: Int) async throws {
      if hasOpened[index] { return }
      hasOpened[index] = true
      if let opening = generation.writer.opening(index) { try await send(opening) }
      if !generation.echoed[index].isEmpty { try await tell(index, generation.echoed[index], []) }
    }

    private mutating func tell(_ index: Int, _ text: String, _ reports: [TokenReport]) async throws {
      try await send(generation.writer.piece(index, text, reports, offset: offsets[index]))
      offsets[index] += reports.reduce(0) { $0 + generation.writer.text($1.token).unicodeScalars.count }
    }

    func finish() async throws {
      // Whoever reads only half of it must not take it for the whole.
      if Task.isCancelled || hasFailed { return }
      if generation.call.streamsUsage { try await send(generation.writer.usagePiece(usage)) }
      try await send(Array("data: [DONE]\n\n".utf8))
    }

    private func send(_ value: JSON) async throws {
      try await send(Array("data: ".utf8) + value.serialized() + Array("\n\n".utf8))
    }
  }
}

extension CompletionCall.Prompt {
  /// As it is echoed.
  fileprivate func text(_ model: ServedModel) -> String {
    switch self {
    case .text(let text): text
    case .tokens(let tokens): tokens.map { Int($0) }.allSatisfy { $0 < model.tokenizer.vocabularySize }
      ? String(decoding: model.tokenizer.decode(tokens), as: UTF8.self) : ""
    case .messages: ""
    }
  }
}
