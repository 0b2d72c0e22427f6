import Testing

@testable import AutogradServer

@Suite("Request head") struct RequestHeadTests {
  func head(_ text: String, fieldCount: Int = 64) throws -> RequestHead {
    try RequestHead(Array(text.utf8)[...], fieldCount: fieldCount)
  }

  func problem(_ text: String, fieldCount: Int = 64) -> HTTPProblem? {
    do {
      _ = try head(text, fieldCount: fieldCount).framing()
      return nil
    } catch {
      return error as? HTTPProblem
    }
  }

  @Test("method, path and fields are what was sent")
  func honest() throws {
    let head = try head("POST /v1/completions?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length:  12 \r\nX-Empty:\r\n")
    #expect(head.method == "POST" && head.path == "/v1/completions" && !head.isVersion10)
    #expect(head["host"] == "a" && head["x-empty"] == "" && head["nothing"] == nil)
    #expect(try head.framing() == .bytes(12))
    #expect(head.keepsAlive)
  }

  @Test("a connection goes on or ends as each version has it")
  func keepAlive() throws {
    #expect(try !head("GET / HTTP/1.1\r\nHost: a\r\nConnection: close").keepsAlive)
    #expect(try !head("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close").keepsAlive)
    #expect(try !head("GET / HTTP/1.0").keepsAlive)
    #expect(try head("GET / HTTP/1.0\r\nConnection: Keep-Alive").keepsAlive)
  }

  static let lies: [(String, Int)] = [
    ("", 400), ("GET /", 400), ("GET  / HTTP/1.1\r\nHost: a", 400), ("GET / HTTP/1.1 \r\nHost: a", 400),
    ("G\u{0}T / HTTP/1.1\r\nHost: a", 400), ("METHODTHATISTOOLONG / HTTP/1.1\r\nHost: a", 400),
    ("GET http://a/ HTTP/1.1\r\nHost: a", 400), ("GET * HTTP/1.1\r\nHost: a", 400),
    ("GET /\u{7F} HTTP/1.1\r\nHost: a", 400), ("GET /é HTTP/1.1\r\nHost: a", 400),
    ("GET / HTTP/2.0\r\nHost: a", 505), ("GET / http/1.1\r\nHost: a", 505),
    ("GET / HTTP/1.1", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
    ("GET / HTTP/1.1\nHost: a", 400), ("GET / HTTP/1.1\rHost: a", 400),
    ("GET / HTTP/1.1\r\nHost : a", 400), ("GET / HTTP/1.1\r\nHost: a\r\n folded", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n: nothing", 400), ("GET / HTTP/1.1\r\nHost: a\r\nno colon", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}", 400), ("GET / HTTP/1.1\r\nHost: a\r\nX: é", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1", 400), ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1,1", 400), ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", 501),
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 501),
  ]

  @Test("what two readers could read in two ways is refused", arguments: lies)
  func lie(_ text: String, _ status: Int) { #expect(problem(text)?.status == status) }

  @Test("there are only so many fields")
  func fields() {
    let text = "GET / HTTP/1.1\r\nHost: a" + (0..<9).map { "\r\nX\($0): y" }.joined()
    #expect(problem(text, fieldCount: 10) == nil)
    #expect(problem(text, fieldCount: 9)?.status == 431)
  }

  @Test("names of hosts come without port and brackets, and others are none")
  func hosts() {
    #expect(Guardian.hostName("LocalHost:8080") == "localhost")
    #expect(Guardian.hostName("127.0.0.1") == "127.0.0.1")
    #expect(Guardian.hostName("[::1]:80") == "::1")
    for wrong in ["", ":80", "a:b", "a:", "a:80:80", "[::1", "[::1]x", "a:99999"] { #expect(Guardian.hostName(wrong) == nil, "\(wrong)") }
  }

  @Test("keys compare by all of their bytes")
  func keys() {
    #expect(Guardian.isSame(Array("abc".utf8), Array("abc".utf8)))
    for other in ["", "a", "abd", "abcabc", "abcd", "ab"] { #expect(!Guardian.isSame(Array(other.utf8), Array("abc".utf8))) }
  }
}

@Suite("Chunked body") struct ChunkedBodyTests {
  func decode(_ text: String, piece: Int, limit: Int = 100) throws -> (body: String, rest: Int)? {
    var body = ChunkedBody(byteLimit: limit), rest = Array(text.utf8)[...], waiting: [UInt8] = []
    while !rest.isEmpty, !body.isComplete {
      waiting += rest.prefix(piece)
      rest = rest.dropFirst(piece)
      try body.take(&waiting)
    }
    return body.isComplete ? (String(decoding: body.bytes, as: UTF8.self), waiting.count + rest.count) : nil
  }

  @Test("chunks give their bytes however they are cut", arguments: 1...12)
  func cuts(_ piece: Int) throws {
    let text = "5\r\nhello\r\n1;x=y\r\n \r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET"
    let result = try #require(try decode(text, piece: piece))
    #expect(result.body == "hello 0123456789" && result.rest == 3)
  }

  static let lies = [
    "\r\n", "x\r\n", "-1\r\n", "123456789\r\n", "5\nhello", "5\r\nhelloo", "5\r\nhello\rx", "0\r\n" + String(repeating: "a", count: 300),
    "0\r\n" + String(repeating: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", count: 30),
  ]

  @Test("what is no chunk is refused", arguments: lies)
  func lie(_ text: String) {
    #expect { try decode(text, piece: 3) } throws: { ($0 as? HTTPProblem)?.status == 400 }
  }

  @Test("chunks have a limit together, before they come")
  func limit() {
    #expect { try decode("3c\r\n" + String(repeating: "a", count: 60) + "\r\n29\r\n", piece: 7) } throws: {
      ($0 as? HTTPProblem)?.status == 413
    }
    #expect { try decode("ffffffff\r\n", piece: 7) } throws: { ($0 as? HTTPProblem)?.status == 413 }
  }
}

@Suite("Time") struct UTCTimeTests {
  @Test("seconds since 1970 become dates, leap years included", arguments: [
    (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
    (1_709_251_199, "2024-02-29T23:59:59Z"), (1_709_251_200, "2024-03-01T00:00:00Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
    (1_798_761_599, "2026-12-31T23:59:59Z"),
  ])
  func dates(_ seconds: Int, _ text: String) { #expect(UTCTime(seconds: seconds).description == text) }

  @Test("seconds have three digits")
  func seconds() { #expect([0, 0.0004, 0.0126, 61.5].map(shortSeconds) == ["0.000s", "0.000s", "0.013s", "61.500s"]) }
}
