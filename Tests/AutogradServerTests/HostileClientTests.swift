import AutogradTestSupport
import Foundation
import Testing

@testable import AutogradServer

/// What clients do that they should not, over real sockets.
@OwnThread @Suite("Hostile clients", .serialized) struct HostileClientTests {
  private func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<200 {
      if try condition() { return true }
      Thread.sleep(forTimeInterval: 0.02)
    }
    return false
  }

  private let long = #"{"prompt":"a","max_tokens":400,"seed":1,"stream":true}"#

  @Test("an answer is given up when its client leaves, by closing or by an error, streamed or not", arguments: [true, false], [true, false])
  func leaving(_ streams: Bool, _ resets: Bool) throws {
    let fixture = try ServerFixture(sequences: 1, passMilliseconds: 20)
    defer { fixture.end() }
    let client = try fixture.client()
    client.send(ServerFixture.post(streams ? long : #"{"prompt":"a","max_tokens":400}"#))
    if streams { #expect(client.wait(for: "data: ")) }
    #expect(try eventually { try fixture.metric("answers_running") == 1 })
    if resets { client.reset() } else { client.close() }
    #expect(try eventually { try fixture.metric("answers_running") == 0 })
    #expect(try #require(try fixture.metric("answer_tokens_total")) < 200)
    #expect(eventually { fixture.log.contains { $0.contains(" left POST /v1/completions") } })
    #expect(try fixture.post(#"{"prompt":"a","max_tokens":2}"#).status == 200)
  }

  @Test("requests that come one behind another on a connection are answered in order")
  func pipeline() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    let client = try fixture.client()
    let bodies = (1...5).map { #"{"prompt":"a","seed":4,"max_tokens":\#($0)}"# }
    client.send(bodies.map { ServerFixture.post($0) }.joined())
    for count in 1...5 {
      let usage = try client.answer().json["usage"] as? [String: Any]
      #expect(usage?["completion_tokens"] as? Int == count)
    }
  }

  @Test("a body in chunks is as good as one with a length; a client that waits is told to go on")
  func bodies() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    let body = #"{"prompt":"a","max_tokens":2,"seed":1}"#, whole = try fixture.post(body)
    let client = try fixture.client()
    client.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for character in body { client.send("1\r\n\(character)\r\n") }
    client.send("0\r\n\r\n")
    func text(_ answer: RawAnswer) -> String? { (answer.json["choices"] as? [[String: Any]])?.first?["text"] as? String }
    #expect(text(try client.answer()) == text(whole) && text(whole) != nil)
    client.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
    #expect(client.wait(for: "100 Continue\r\n\r\n"))
    client.send(body)
    #expect(client.wait(for: "\"usage\""))
  }

  @Test("a body that is too long is refused before it is read, or as its chunks come")
  func large() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    let client = try fixture.client()
    client.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n")
    // It may be stopped at any time: what counts is that the answer arrives.
    for _ in 0..<64 where !client.send([UInt8](repeating: 0x61, count: 1 << 16)) { break }
    let answer = try client.answer()
    #expect(answer.status == 413 && answer.fields["connection"] == "close")
    let chunked = try fixture.client()
    chunked.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in 0..<20 where !chunked.send("10000\r\n" + String(repeating: " ", count: 65536) + "\r\n") { break }
    #expect(try chunked.answer().status == 413)
  }

  @Test("heads without an end, deep JSON, bytes that are no text and plain nonsense are refused")
  func nonsense() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    let endless = try fixture.client()
    endless.send("GET / HTTP/1.1\r\nHost: localhost\r\n")
    for index in 0..<2000 where !endless.send("X-\(index): aaaaaaaaaaaaaaaaaaaa\r\n") { break }
    #expect(try endless.answer().status == 431)
    #expect(try fixture.post(String(repeating: "[", count: 100_000)).status == 400)
    let wrong = try fixture.client()
    wrong.send(Array("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"prompt\":\"".utf8) + [0xC3, 0x28, 0x22, 0x7D])
    let answer = try wrong.answer()
    #expect(answer.status == 400 && (answer.errorMember["message"] as? String)?.contains("UTF-8") == true)
    for text in ["\0\0\0\0\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n", "GET / HTTP/9.9\r\nHost: a\r\n\r\n"] {
      let client = try fixture.client()
      client.send(text)
      let said = client.rest()
      #expect(said.hasPrefix("HTTP/1.1 400") || said.hasPrefix("HTTP/1.1 505"), "\(said)")
    }
    #expect(try fixture.get("/health").status == 200)
  }

  @Test("half a request, or nothing, does not keep a connection")
  func slow() throws {
    let fixture = try ServerFixture {
      $0.limits.secondsIdle = 0.3
      $0.limits.secondsForHead = 0.3
      $0.limits.secondsForBody = 0.3
    }
    defer { fixture.end() }
    let silent = try fixture.client(), half = try fixture.client(), body = try fixture.client(), drop = try fixture.client()
    half.send("GET / HTT")
    body.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"prompt\"")
    #expect(silent.rest() == "")
    #expect(half.rest().hasPrefix("HTTP/1.1 408"))
    #expect(body.rest().hasPrefix("HTTP/1.1 408"))
    // A byte now and then is no more than nothing.
    let start = Date()
    while drop.send("G"), Date().timeIntervalSince(start) < 5 { Thread.sleep(forTimeInterval: 0.1) }
    #expect(Date().timeIntervalSince(start) < 4)
  }

  @Test("more than may wait are told to come again, and more connections than there may be, too")
  func full() throws {
    let fixture = try ServerFixture(sequences: 1, passMilliseconds: 20) {
      $0.limits.waiting = 2
      $0.limits.connections = 6
    }
    defer { fixture.end() }
    let clients = try (0..<3).map { _ in try fixture.client() }
    for client in clients { client.send(ServerFixture.post(long)) }
    #expect(try eventually { try fixture.metric("answers_waiting") == 2 })
    let refused = try fixture.post(#"{"prompt":"a"}"#)
    #expect(refused.status == 429 && refused.fields["retry-after"] == "2")
    #expect(refused.errorMember["type"] as? String == "rate_limit_error")
    let idle = try (0..<3).map { _ in try fixture.client() }
    #expect(eventually { (try? fixture.client().rest().hasPrefix("HTTP/1.1 503")) == true })
    for client in clients + idle { client.close() }
    #expect(try eventually { try fixture.post(#"{"prompt":"a","max_tokens":1}"#).status == 200 })
  }

  @Test("asked to end, it finishes what runs and begins nothing new")
  func draining() throws {
    let fixture = try ServerFixture(sequences: 1, passMilliseconds: 10)
    let running = try fixture.client(), open = try fixture.client()
    running.send(ServerFixture.post(#"{"prompt":"a","max_tokens":100,"seed":1,"stream":true}"#))
    #expect(running.wait(for: "data: "))
    fixture.askToEnd()
    #expect(try eventually { try fixture.get("/health").status == 503 })
    open.send(ServerFixture.post(#"{"prompt":"a"}"#))
    let refused = try open.answer()
    #expect(refused.status == 503 && refused.fields["retry-after"] != nil && refused.fields["connection"] == "close")
    #expect(try running.answer().events.last == "[DONE]")
    fixture.end()
    #expect(throws: RawClient.Failed.self) { try fixture.client() }
  }

  @Test("what does not end in time is cut off")
  func drainLimit() throws {
    let fixture = try ServerFixture(sequences: 1, passMilliseconds: 20) { $0.limits.secondsForDraining = 0.3 }
    let running = try fixture.client()
    running.send(ServerFixture.post(long))
    #expect(running.wait(for: "data: "))
    let start = Date()
    fixture.end()
    #expect(Date().timeIntervalSince(start) < 4)
    let rest = running.rest()
    #expect(rest.contains("the server is ending") && !rest.contains("[DONE]"))
  }

  @Test("an older client gets its answer to the end of the connection")
  func version10() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    let client = try fixture.client(), body = #"{"prompt":"a","max_tokens":2,"seed":1,"stream":true}"#
    client.send("POST /v1/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    let said = client.rest()
    #expect(said.contains("Connection: close") && !said.contains("chunked") && said.hasSuffix("data: [DONE]\n\n"))
  }
}
