/// Takes a body in chunks apart (RFC 9112, 7.1) as its bytes come.
package struct ChunkedBody {
  /// What is decoded so far.
  package private(set) var bytes: [UInt8] = []
  package private(set) var isComplete = false
  private let byteLimit: Int
  private var state = State.size
  private var line: [UInt8] = []
  private var trailerBytes = 0

  private enum State {
    case size
    case data(left: Int)
    /// The line end behind a chunk, of which so many bytes are left.
    case dataEnd(left: Int)
    case trailer
  }

  package init(byteLimit: Int) { self.byteLimit = byteLimit }

  /// Takes what it needs from the front of `input`.
  ///
  /// - Throws: 413 beyond the limit, 400 for what is no chunk.
  package mutating func take(_ input: inout [UInt8]) throws(HTTPProblem) {
    var index = 0
    while index < input.count, !isComplete {
      switch state {
      case .size, .trailer:
        try takeLineByte(input[index])
        index += 1
      case .data(let left):
        let count = min(left, input.count - index)
        bytes += input[index..<index + count]
        index += count
        state = count == left ? .dataEnd(left: 2) : .data(left: left - count)
      case .dataEnd(let left):
        guard input[index] == (left == 2 ? 0x0D : 0x0A) else { throw .bad("a chunk is longer than it says") }
        index += 1
        state = left == 2 ? .dataEnd(left: 1) : .size
      }
    }
    input.removeFirst(index)
  }

  private mutating func takeLineByte(_ byte: UInt8) throws(HTTPProblem) {
    line.append(byte)
    if line.count > 256 { throw .bad("a chunk's size, or a line behind the chunks, is longer than 256 bytes") }
    guard byte == 0x0A else { return }
    guard line.suffix(2).first == 0x0D else { throw .bad("a line of the chunked body ends without a carriage return") }
    let text = line.dropLast(2)
    defer { line = [] }
    if case .trailer = state {
      trailerBytes += text.count
      if trailerBytes > 1024 { throw .bad("there are over 1024 bytes behind the chunks") }
      if text.isEmpty { isComplete = true }
      return
    }
    let digits = String(decoding: text.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
    guard !digits.isEmpty, digits.count <= 8, digits.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let size = Int(digits, radix: 16)
    else { throw .bad("a chunk's size is no hexadecimal number") }
    if size > byteLimit - bytes.count { throw .tooLarge(byteLimit) }
    state = size == 0 ? .trailer : .data(left: size)
  }
}

extension HTTPProblem {
  static func tooLarge(_ limit: Int) -> HTTPProblem {
    HTTPProblem(status: 413, sentence: "the body has more than \(limit) bytes; send less at once")
  }
}
