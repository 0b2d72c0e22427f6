import AutogradBase
import AutogradModels
import Synchronization

/// Says what is answered to a request: who may ask, what there is, and what it costs at most.
struct Service: Sendable {
  let settings: ServerSettings
  let model: ServedModel
  let batcher: Batcher
  let metrics = Metrics()
  let log: @Sendable (String) -> Void
  private let draining = Flag()

  init(
    _ settings: ServerSettings, _ model: ServedModel, _ batcher: Batcher, log: @escaping @Sendable (String) -> Void
  ) {
    self.settings = settings
    self.model = model
    self.batcher = batcher
    self.log = log
  }

  var isDraining: Bool { draining.isSet }

  /// From now on nothing new is begun.
  func drain() { draining.set() }

  /// Counts a request that is over, and writes its line.
  func finish(_ record: RequestRecord, status: Int) {
    metrics.add(record, status: status)
    log(record.line(status: status))
  }

  // MARK: Before the body is read

  /// What a head is refused by; nil where its body may be read.
  func refusal(of head: RequestHead, _ framing: BodyFraming) -> ServerResponse? {
    let guardian = Guardian(settings)
    do throws(APIError) {
      try guardian.checkHost(head)
      try guardian.checkOrigin(head)
      if head.method == "OPTIONS", head["origin"] != nil { return guardian.preflight(head) }
      let route = try Route(head)
      if route.needsKey { try guardian.checkKey(head) }
      if case .bytes(let count) = framing, count > settings.limits.bodyBytes {
        throw APIError(HTTPProblem.tooLarge(settings.limits.bodyBytes))
      }
      if let expected = head["expect"], !head.expectsContinue {
        throw APIError(status: 417, "nobody here knows what is meant by expect: \(expected.quotedForMessage)")
      }
      if case .generation = route {
        let type = head["content-type"]?.lowercased().split(separator: ";").first.map(String.init) ?? ""
        // Another type could be sent by any page without asking first.
        guard type == "application/json" else {
          throw APIError(status: 415, "the content-type must be application/json")
        }
        if isDraining { throw APIError(.ending) }
      }
      return nil
    } catch {
      return guardian.allowing(head, ServerResponse(error))
    }
  }

  /// Whether an answer takes long enough for its client to leave.
  func takesLong(_ request: ServerRequest) -> Bool {
    if case .generation? = try? Route(request.head) { true } else { false }
  }

  // MARK: Answers

  func respond(to request: ServerRequest, _ record: RequestRecord) async -> ServerResponse {
    let guardian = Guardian(settings)
    do throws(APIError) {
      switch try Route(request.head) {
      case .page(let file): return guardian.allowing(request.head, file.response)
      case .health: return guardian.allowing(request.head, health)
      case .models: return guardian.allowing(request.head, ServerResponse(200, models))
      case .model(let name):
        try model.checkName(name)
        return guardian.allowing(request.head, ServerResponse(200, model.json))
      case .metrics:
        let text = metrics.text(model.name, batcher)
        return ServerResponse(200, Array(text.utf8), type: "text/plain; version=0.0.4; charset=utf-8")
      case .generation(let endpoint):
        let generation = try Generation(request.body, endpoint, self, record)
        return guardian.allowing(request.head, try await generation.response())
      }
    } catch {
      return guardian.allowing(request.head, ServerResponse(error))
    }
  }

  private var health: ServerResponse {
    let status = isDraining ? "ending" : "ok"
    return ServerResponse(isDraining ? 503 : 200, .object([JSON.Member("status", .string(status))]))
  }

  private var models: JSON {
    .object([JSON.Member("object", .string("list")), JSON.Member("data", .array([model.json]))])
  }
}

/// What there is at a path.
enum Route {
  case page(PageFile)
  case health, models, metrics
  case model(name: String)
  case generation(CompletionCall.Endpoint)

  /// - Throws: With status 404 or 405.
  init(_ head: RequestHead) throws(APIError) {
    switch head.path {
    case "/health": self = .health
    case "/v1/models": self = .models
    case "/metrics": self = .metrics
    case let path where path.hasPrefix("/v1/models/"): self = .model(name: String(path.dropFirst(11)))
    case let path:
      if let endpoint = CompletionCall.Endpoint(rawValue: path) {
        self = .generation(endpoint)
      } else if let file = PageFile(path: path) {
        self = .page(file)
      } else {
        throw APIError(status: 404, "there is nothing at \(path.quotedForMessage); see /v1/models", code: "not_found")
      }
    }
    let allowed = if case .generation = self { ["POST"] } else { ["GET", "HEAD"] }
    guard allowed.contains(head.method) else {
      throw APIError(
        status: 405, "\(head.method.quotedForMessage) is not for \(head.path.quotedForMessage); it takes \(allowed[0])",
        code: "method_not_allowed")
    }
  }

  /// The page is the same for everybody and knows nothing; that the server is there, anybody may know.
  var needsKey: Bool {
    switch self {
    case .page, .health: false
    case .models, .model, .metrics, .generation: true
    }
  }
}

/// Something that happens once.
final class Flag: Sendable {
  private let value = Atomic(false)
  var isSet: Bool { value.load(ordering: .acquiring) }
  func set() { value.store(true, ordering: .releasing) }
}
