import AutogradBase

/// What is wrong with a request, as OpenAI's clients expect to be told.
public struct APIError: Error, Equatable, Sendable {
  public var status = 400
  /// What happened, and what to do.
  public var message: String
  public var type = "invalid_request_error"
  /// The field that it is about.
  public var parameter: String?
  /// For programs: `model_not_found`.
  public var code: String?
  /// Seconds after which it may be tried again.
  public var retryAfter: Int?

  /// A field that is wrong.
  init(_ parameter: String?, _ message: String, code: String? = nil) {
    self.parameter = parameter
    self.message = message
    self.code = code
  }

  init(
    status: Int, _ message: String, type: String = "invalid_request_error", code: String? = nil, retryAfter: Int? = nil
  ) {
    self.status = status
    self.message = message
    self.type = type
    self.code = code
    self.retryAfter = retryAfter
  }

  init(_ problem: HTTPProblem) { self.init(status: problem.status, problem.sentence, retryAfter: problem.retryAfter) }

  init(_ failure: GenerationFailure) {
    switch failure {
    case .tooLong:
      self.init(
        status: 504, "the answer took longer than the server allows; ask for fewer tokens, or again later",
        type: "server_error", code: "timeout", retryAfter: 5)
    case .ending:
      self.init(
        status: 503, "the server is ending; ask another one", type: "server_error", code: "ending", retryAfter: 5)
    case .model(let sentence): self.init(status: 500, sentence, type: "server_error")
    }
  }

  public var json: JSON {
    .object([
      JSON.Member(
        "error",
        .object([
          JSON.Member("message", .string(message)), JSON.Member("type", .string(type)),
          JSON.Member("param", parameter.map { .string($0) } ?? .null),
          JSON.Member("code", code.map { .string($0) } ?? .null),
        ]))
    ])
  }
}

extension APIError: CustomStringConvertible {
  public var description: String { message }
}

extension ServerResponse {
  init(_ error: APIError) {
    self.init(error.status, error.json)
    if let seconds = error.retryAfter { fields.append(("Retry-After", "\(seconds)")) }
    if error.status == 401 { fields.append(("WWW-Authenticate", "Bearer")) }
  }
}
