import AutogradBase

/// Where a server listens, who may ask it, and what a request may cost.
public struct ServerSettings: Sendable {
  /// An address in digits, or `localhost`.
  public var host = "127.0.0.1"
  /// 0 lets the system choose one.
  public var port: UInt16 = 8080
  /// What requests must bring as `Authorization: Bearer KEY`; nil asks for none, which only a local address may.
  public var key: String?
  /// Other sites whose pages may ask, as browsers name them: `https://example.org`.
  public var corsOrigins: [String] = []
  /// Names by which the server may be called beside addresses and `localhost`.
  public var hostNames: [String] = []
  public var limits = ServerLimits()

  public init() {}

  /// Whether only programs on this machine reach it.
  public var isLocal: Bool { host == "localhost" || host == "::1" || (host.hasPrefix("127.") && Address.isIPv4(host)) }
}

/// What a request may cost before it is refused, and how long it may take.
public struct ServerLimits: Sendable {
  /// Request line and header fields together.
  public var headBytes = 16 << 10
  public var fieldCount = 64
  public var bodyBytes = 1 << 20
  public var jsonDepth = 16
  public var jsonValues = 200_000
  public var jsonKeys = 4096
  /// Open at once; a further one is answered 503 and closed.
  public var connections = 128
  /// Answers that may wait for a place; a request that needs more is answered 429.
  public var waiting = 64
  /// Answers to one request: prompts times `n`.
  public var choices = 16
  /// Tokens of one answer; nil leaves it to the context.
  public var answerTokens: Int?
  public var stops = 16
  public var biases = 1024

  /// Without a byte of a request.
  public var secondsIdle = 30.0
  /// From the first byte of a request to the end of its head.
  public var secondsForHead = 10.0
  public var secondsForBody = 30.0
  /// For a piece of an answer to be taken.
  public var secondsForWriting = 30.0
  /// From a request to the end of its answer, waiting included.
  public var secondsForAnswer = 600.0
  /// For running answers once the server is asked to end.
  public var secondsForDraining = 30.0

  public init() {}
}

/// What a server cannot begin with.
public enum ServerError: Error, Equatable, CustomStringConvertible {
  case noAddress(String)
  case needsKey(host: String)
  case emptyKey
  case inUse(address: String)
  case cannotListen(address: String, reason: String)

  public var description: String {
    switch self {
    case .noAddress(let host):
      "\(host.quotedForMessage) is no address: write one in digits, such as 127.0.0.1 or ::1, or localhost"
    case .needsKey(let host):
      "\(host) can be reached from other machines, so requests must bring a key: set one, or listen on 127.0.0.1"
    case .emptyKey:
      "the key is empty, or has spaces, line ends or characters outside ASCII inside: write one word of letters and digits"
    case .inUse(let address): "something else listens on \(address) already: end it, or take another port"
    case .cannotListen(let address, let reason): "cannot listen on \(address): \(reason)"
    }
  }
}
