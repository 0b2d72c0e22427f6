import AutogradTestSupport
import AutogradText
import Foundation
import Synchronization

@testable import AutogradServer

/// A server over a decoder of hashes, on a port that the system chose.
final class ServerFixture: Sendable {
  let server: Server
  let port: UInt16
  private let ending = Flag()
  private let done = DispatchSemaphore(value: 0)
  private let sink = LineSink()

  /// What the server logged.
  var log: [String] { sink.lines }

  /// - Parameter passMilliseconds: Each pass takes so long.
  init(
    sequences: Int = 4, passMilliseconds: Int = 0, template: Bool = true, _ change: (inout ServerSettings) -> Void = { _ in }
  ) throws {
    var settings = ServerSettings()
    settings.port = 0
    change(&settings)
    let tokenizer = ByteTokenizer()
    let form = try template ? AnswerForm(ChatTemplate.named("alpaca"), tokenizer) : nil
    let model = ServedModel(name: "hash", tokenizer: tokenizer, form: form, contextSize: 512, vocabularySize: 258)
    let decoder = HashDecoder(sequences: sequences, contextSize: 512)
    if passMilliseconds > 0 { decoder.pause = { Thread.sleep(forTimeInterval: Double(passMilliseconds) / 1000) } }
    let batcher = Batcher(decoder, tokenizer, waitingLimit: settings.limits.waiting)
    server = try Server(settings, model, batcher) { [sink] in sink.add($0) }
    port = server.port
    Thread.detachNewThread { [self] in
      server.run { [ending] in ending.isSet }
      done.signal()
    }
  }

  /// Asks the server to end; returns once it has.
  func end() {
    ending.set()
    done.wait()
    done.signal()
  }

  func askToEnd() { ending.set() }

  func client() throws -> RawClient { try RawClient(port: port) }

  /// Sends one request and reads its answer.
  func post(_ body: String, _ path: String = "/v1/completions", fields: String = "") throws -> RawAnswer {
    let client = try client()
    client.send(ServerFixture.post(body, path, fields: fields))
    return try client.answer()
  }

  func get(_ path: String, fields: String = "") throws -> RawAnswer {
    let client = try client()
    client.send("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(fields)\r\n")
    return try client.answer()
  }

  static func post(_ body: String, _ path: String = "/v1/completions", fields: String = "") -> String {
    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
  }

  /// What the metric says.
  func metric(_ name: String) throws -> Double? {
    try get("/metrics").body.components(separatedBy: "\n").first { $0.hasPrefix("autograd_" + name + " ") }
      .flatMap { Double($0.split(separator: " ")[1]) }
  }
}

final class LineSink: Sendable {
  private let state = Mutex<[String]>([])
  var lines: [String] { state.withLock { $0 } }
  func add(_ line: String) { state.withLock { $0.append(line) } }
}
