import AutogradBase

/// A request with its whole body.
struct ServerRequest: Sendable {
  let head: RequestHead
  var body: [UInt8] = []
}

/// What is answered: status, header fields and a body, whole or in pieces as they come.
struct ServerResponse: Sendable {
  typealias Send = @Sendable ([UInt8]) async throws -> Void

  enum Body: Sendable {
    case whole([UInt8])
    case pieces(@Sendable (_ send: @escaping Send) async throws -> Void)
  }

  var status: Int
  var fields: [(name: String, value: String)] = []
  var body: Body

  init(_ status: Int, _ body: [UInt8], type: String) {
    self.status = status
    self.body = .whole(body)
    fields = [("Content-Type", type)]
  }

  init(_ status: Int, _ value: JSON) { self.init(status, value.serialized(), type: "application/json") }

  /// Server-sent events.
  init(events: @escaping @Sendable (_ send: @escaping Send) async throws -> Void) {
    status = 200
    body = .pieces(events)
    fields = [("Content-Type", "text/event-stream; charset=utf-8")]
  }

  /// The head as it is sent.
  ///
  /// - Parameter isChunked: Whether pieces are told apart; an older client reads to the end of the connection.
  func head(keepsAlive: Bool, isChunked: Bool) -> [UInt8] {
    var text = "HTTP/1.1 \(status) \(ServerResponse.phrase(status))\r\n"
    for (name, value) in fields + ServerResponse.always { text += "\(name): \(value)\r\n" }
    switch body {
    case .whole(let bytes): text += "Content-Length: \(bytes.count)\r\n"
    case .pieces: if isChunked { text += "Transfer-Encoding: chunked\r\n" }
    }
    text += keepsAlive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n"
    return Array(text.utf8)
  }

  /// What every answer has: nothing is kept, no type is guessed, no other page learns where a reader came from.
  private static let always = [
    ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
  ]

  private static func phrase(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 204: "No Content"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: "Status"
    }
  }
}
