/// What a server does not take as a request, as its answer to it.
package struct HTTPProblem: Error, Equatable, CustomStringConvertible {
  let status: Int
  let sentence: String
  /// Seconds after which it may be tried again.
  var retryAfter: Int?

  package var description: String { sentence }
}

/// How a request's body is told from what follows it.
package enum BodyFraming: Equatable {
  case none
  case bytes(Int)
  case chunked
}

/// Request line and header fields (RFC 9112), read strictly: what two readers could read in two ways is refused.
package struct RequestHead: Sendable {
  let method: String
  /// As it was sent, without what follows a question mark.
  package let path: String
  package let isVersion10: Bool
  /// Names in lower case, in order.
  private let fields: [(name: String, value: String)]

  /// Reads a head, the empty line at its end left out.
  ///
  /// - Throws: With status 400, 431 or 505.
  package init(_ bytes: ArraySlice<UInt8>, fieldCount: Int) throws(HTTPProblem) {
    var lines = try RequestHead.lines(bytes)
    guard let first = lines.popFirst() else { throw .bad("the request is empty") }
    let words = first.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard words.count == 3 else { throw .bad("the request line must be a method, a path and a version, one space between") }
    guard !words[0].isEmpty, words[0].count <= 16, words[0].allSatisfy(RequestHead.isTokenByte) else {
      throw .bad("the method is no word")
    }
    guard words[1].first == UInt8(ascii: "/"), words[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw .bad("the path must begin with / and have no spaces, control characters or characters outside ASCII")
    }
    switch String(decoding: words[2], as: UTF8.self) {
    case "HTTP/1.1": isVersion10 = false
    case "HTTP/1.0": isVersion10 = true
    default: throw HTTPProblem(status: 505, sentence: "only HTTP/1.1 and HTTP/1.0 are spoken here")
    }
    method = String(decoding: words[0], as: UTF8.self)
    path = String(decoding: words[1].prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self)
    if lines.count > fieldCount {
      throw HTTPProblem(status: 431, sentence: "the request has \(lines.count) header fields; \(fieldCount) are allowed")
    }
    var fields: [(name: String, value: String)] = []
    for line in lines { fields.append(try RequestHead.field(line)) }
    self.fields = fields
    for name in ["host", "content-length", "transfer-encoding", "authorization", "origin", "connection", "expect"]
    where fields.count(where: { $0.name == name }) > 1 {
      throw .bad("the header field \(name) stands there twice")
    }
    if !isVersion10, self["host"] == nil { throw .bad("the header field host is missing") }
  }

  /// The value of a field; nil where there is none.
  ///
  /// - Parameter name: In lower case.
  package subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

  /// Whether another request may follow on the same connection.
  var keepsAlive: Bool {
    let words = (self["connection"] ?? "").lowercased().split(separator: ",").map { $0.filter { $0 != " " } }
    return isVersion10 ? words.contains("keep-alive") : !words.contains("close")
  }

  /// - Throws: With status 400 where it cannot be told how long the body is, 501 for a coding that is not known.
  package func framing() throws(HTTPProblem) -> BodyFraming {
    let length = self["content-length"]
    if let coding = self["transfer-encoding"] {
      if length != nil { throw .bad("content-length and transfer-encoding contradict each other") }
      guard coding.lowercased() == "chunked", !isVersion10 else {
        throw HTTPProblem(status: 501, sentence: "the transfer-encoding must be chunked")
      }
      return .chunked
    }
    guard let length else { return .none }
    guard !length.isEmpty, length.count <= 18, length.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int(length)
    else { throw .bad("content-length is no number of bytes") }
    return count == 0 ? .none : .bytes(count)
  }

  /// Whether the client waits to be told to send its body.
  var expectsContinue: Bool { self["expect"]?.lowercased() == "100-continue" }

  private static func lines(_ bytes: ArraySlice<UInt8>) throws(HTTPProblem) -> ArraySlice<ArraySlice<UInt8>> {
    var lines: [ArraySlice<UInt8>] = [], start = bytes.startIndex, index = start
    while index < bytes.endIndex {
      if bytes[index] == 0x0A { throw .bad("a line of the head ends without a carriage return") }
      if bytes[index] == 0x0D {
        guard index + 1 < bytes.endIndex, bytes[index + 1] == 0x0A else {
          throw .bad("the head has a carriage return inside a line")
        }
        lines.append(bytes[start..<index])
        index += 2
        start = index
      } else {
        index += 1
      }
    }
    if start < bytes.endIndex { lines.append(bytes[start...]) }
    return lines[...]
  }

  private static func field(_ line: ArraySlice<UInt8>) throws(HTTPProblem) -> (name: String, value: String) {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
      line[..<colon].allSatisfy(isTokenByte)
    else { throw .bad("a header field must be a name, a colon and a value, without a space before the colon") }
    var value = line[(colon + 1)...]
    while let byte = value.first, byte == 0x20 || byte == 0x09 { value.removeFirst() }
    while let byte = value.last, byte == 0x20 || byte == 0x09 { value.removeLast() }
    guard value.allSatisfy({ $0 == 0x09 || (0x20...0x7E).contains($0) }) else {
      throw .bad("a header field has control characters or characters outside ASCII")
    }
    return (String(decoding: line[..<colon], as: UTF8.self).lowercased(), String(decoding: value, as: UTF8.self))
  }

  /// The characters of a token (RFC 9110, 5.6.2).
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}

extension HTTPProblem {
  static func bad(_ sentence: String) -> HTTPProblem { HTTPProblem(status: 400, sentence: sentence) }
}
