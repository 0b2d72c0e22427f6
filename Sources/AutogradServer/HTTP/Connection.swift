import FlyingSocks

/// One connection: requests read one after another with a bound on everything, and their answers written.
///
/// FlyingFox's own server reads heads of any length, waits for them without end, notices that a client has left only
/// when it writes, and needs all of Foundation. So of that package this takes its sockets alone.
struct Connection {
  private let socket: AsyncSocket
  private let service: Service
  private let limits: ServerLimits
  private let alarm: Alarm
  /// Bytes that came and are not taken yet.
  private var read: [UInt8] = []

  init(_ socket: AsyncSocket, _ service: Service, _ alarm: Alarm) {
    self.socket = socket
    self.alarm = alarm
    self.service = service
    limits = service.settings.limits
  }

  /// Answers requests until either side has enough. The socket is closed by whoever opened it.
  mutating func run() async {
    while !Task.isCancelled {
      do {
        guard let request = try await nextRequest() else { return }
        guard try await answer(request) else { return }
      } catch let problem as HTTPProblem {
        let record = RequestRecord(method: "-", path: "-")
        let response = ServerResponse(APIError(problem))
        try? await send(response, record, keepsAlive: false, isVersion10: false)
        service.finish(record, status: problem.status)
        return await linger()
      } catch {
        return
      }
    }
  }

  // MARK: Reading

  /// A request with its body; nil where the client has nothing more to ask.
  ///
  /// - Throws: `HTTPProblem`, to be answered; anything else ends the connection.
  private mutating func nextRequest() async throws -> ServerRequest? {
    while let bytes = try await headBytes() {
      let head = try RequestHead(bytes, fieldCount: limits.fieldCount)
      let framing = try head.framing()
      // What would be refused anyway is refused before its body is read.
      guard let response = service.refusal(of: head, framing) else {
        if framing != .none, head.expectsContinue { try await write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
        return ServerRequest(head: head, body: try await body(framing))
      }
      let record = RequestRecord(method: head.method, path: head.path)
      let keepsAlive = head.keepsAlive && framing == .none
      try await send(response, record, keepsAlive: keepsAlive, isVersion10: head.isVersion10)
      service.finish(record, status: response.status)
      if !keepsAlive {
        await linger()
        return nil
      }
    }
    return nil
  }

  /// The bytes of the next head without the empty line at its end; nil where the connection ends, or nothing comes.
  private mutating func headBytes() async throws -> ArraySlice<UInt8>? {
    var deadline = Deadline(seconds: read.isEmpty ? limits.secondsIdle : limits.secondsForHead), searched = 0
    while true {
      // An empty line may stand before a request (RFC 9112, 2.2).
      if searched == 0, read.starts(with: [0x0D, 0x0A]) { read.removeFirst(2) }
      if let end = Connection.endOfHead(read, from: searched) {
        defer { read.removeFirst(end + 4) }
        return read[..<end]
      }
      if read.count > limits.headBytes {
        throw HTTPProblem(status: 431, sentence: "the head of the request has more than \(limits.headBytes) bytes")
      }
      searched = max(0, read.count - 3)
      let isFirst = read.isEmpty
      do {
        read += try await some(deadline)
      } catch is DeadlinePassed {
        if isFirst { return nil }
        throw HTTPProblem(
          status: 408, sentence: "the head of the request did not come within \(Int(limits.secondsForHead.rounded(.up))) seconds")
      } catch {
        return nil
      }
      if isFirst { deadline = Deadline(seconds: limits.secondsForHead) }
    }
  }

  private static func endOfHead(_ bytes: [UInt8], from start: Int) -> Int? {
    guard bytes.count >= 4 else { return nil }
    return (start..<max(start, bytes.count - 3)).first {
      bytes[$0] == 0x0D && bytes[$0 + 1] == 0x0A && bytes[$0 + 2] == 0x0D && bytes[$0 + 3] == 0x0A
    }
  }

  private mutating func body(_ framing: BodyFraming) async throws -> [UInt8] {
    let deadline = Deadline(seconds: limits.secondsForBody)
    do {
      switch framing {
      case .none: return []
      case .bytes(let count):
        while read.count < count { read += try await some(deadline) }
        defer { read.removeFirst(count) }
        return Array(read[..<count])
      case .chunked:
        var body = ChunkedBody(byteLimit: limits.bodyBytes)
        try body.take(&read)
        while !body.isComplete {
          read += try await some(deadline)
          try body.take(&read)
        }
        return body.bytes
      }
    } catch is DeadlinePassed {
      throw HTTPProblem(
        status: 408, sentence: "the body of the request did not come within \(Int(limits.secondsForBody.rounded(.up))) seconds")
    }
  }

  private func some(_ deadline: Deadline) async throws -> [UInt8] {
    alarm.set(deadline)
    defer { alarm.set(nil) }
    do {
      return try await socket.read(atMost: 4096)
    } catch {
      throw alarm.hasRung ? DeadlinePassed() : error
    }
  }

  /// Lets the client read the answer before the connection is closed: closing it while there is something unread
  /// would take the answer back.
  private func linger() async {
    shut(socket.socket, writing: true)
    let deadline = Deadline(seconds: 2)
    var count = 0
    while count < 4 << 20, let bytes = try? await some(deadline) { count += bytes.count }
  }

  // MARK: Answering

  private enum Outcome: Sendable {
    case answered
    case more([UInt8])
    case left
  }

  /// - Returns: Whether the connection goes on.
  private mutating func answer(_ request: ServerRequest) async throws -> Bool {
    let record = RequestRecord(method: request.head.method, path: request.head.path)
    let connection = self, socket = socket, service = service, status = StatusBox()
    var next: [UInt8] = []
    do {
      try await withThrowingTaskGroup(of: Outcome.self) { group in
        group.addTask {
          let response = await service.respond(to: request, record)
          status.set(response)
          let keepsAlive = request.head.keepsAlive && !service.isDraining
          try await connection.send(response, record, keepsAlive: keepsAlive, isVersion10: request.head.isVersion10)
          return .answered
        }
        // Whoever waits sends nothing: what can be read is that the client has left, or its next request.
        if service.takesLong(request) { group.addTask { await Connection.watch(socket) } }
        while let outcome = try await group.next() {
          switch outcome {
          case .more(let bytes): next = bytes
          case .left:
            // A client may close as soon as it has the answer: sending it tells whether it arrived.
            if status.isWhole { break }
            if !record.isWritten { record.noteLeft() }
            group.cancelAll()
          case .answered: group.cancelAll()
          }
        }
      }
    } catch {
      record.noteLeft()
    }
    read += next
    service.finish(record, status: status.value)
    return record.isWritten && !record.hasLeft && request.head.keepsAlive && !service.isDraining
  }

  private static func watch(_ socket: AsyncSocket) async -> Outcome {
    do {
      return .more(try await socket.read(atMost: 4096))
    } catch is CancellationError {
      return .answered
    } catch {
      return .left
    }
  }

  private func send(
    _ response: ServerResponse, _ record: RequestRecord, keepsAlive: Bool, isVersion10: Bool
  ) async throws {
    let isChunked = !isVersion10
    switch response.body {
    case .whole(let bytes):
      try await write(response.head(keepsAlive: keepsAlive, isChunked: false) + (record.isHead ? [] : bytes))
    case .pieces(let produce):
      let keepsAlive = keepsAlive && isChunked, connection = self
      try await write(response.head(keepsAlive: keepsAlive, isChunked: isChunked))
      try await produce { piece in
        if piece.isEmpty { return }
        guard isChunked else { return try await connection.write(piece) }
        try await connection.write(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [0x0D, 0x0A])
      }
      if isChunked { try await write(Array("0\r\n\r\n".utf8)) }
    }
    record.noteWritten()
  }

  private func write(_ bytes: [UInt8]) async throws {
    alarm.set(Deadline(seconds: limits.secondsForWriting))
    defer { alarm.set(nil) }
    try await writeAll(bytes, to: socket)
  }
}
