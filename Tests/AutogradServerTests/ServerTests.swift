import AutogradModels
import AutogradTestSupport
import AutogradText
import Foundation
import Testing

@testable import AutogradServer

/// Over real sockets; the decoder is one of hashes, so that an answer has one right text.
@OwnThread @Suite("Server", .serialized) struct ServerTests {
  /// What the decoder answers to a prompt.
  private func answer(_ prompt: String, _ count: Int, seed: UInt64, stream: UInt32 = 0) throws -> String {
    var alone = request(prompt, count, seed: seed, stream: stream)
    alone.prompt = try ByteTokenizer().encode(prompt)
    alone.options.sampler.temperature = 1
    alone.options.sampler.topK = nil
    return try answerAlone(alone, ByteTokenizer()).text
  }

  @Test("completions have the bytes that the model gives alone, whole and streamed")
  func completions() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    let whole = try fixture.post(#"{"prompt":"the end","max_tokens":20,"seed":7,"n":2}"#)
    #expect(whole.status == 200)
    let choices = try #require(whole.json["choices"] as? [[String: Any]])
    for index in 0..<2 {
      #expect(choices[index]["text"] as? String == (try answer("the end", 20, seed: 7, stream: UInt32(index))))
      #expect(choices[index]["finish_reason"] as? String == "length")
    }
    let usage = try #require(whole.json["usage"] as? [String: Any])
    #expect(usage["prompt_tokens"] as? Int == 6 && usage["completion_tokens"] as? Int == 40 && usage["total_tokens"] as? Int == 46)
    let streamed = try fixture.post(
      #"{"prompt":"the end","max_tokens":20,"seed":7,"n":2,"stream":true,"stream_options":{"include_usage":true}}"#)
    #expect(streamed.fields["content-type"] == "text/event-stream; charset=utf-8")
    var texts = ["", ""], used: [String: Any] = [:]
    #expect(streamed.events.last == "[DONE]")
    for event in streamed.events.dropLast() {
      let piece = try #require(try JSONSerialization.jsonObject(with: Data(event.utf8)) as? [String: Any])
      for choice in try #require(piece["choices"] as? [[String: Any]]) {
        texts[try #require(choice["index"] as? Int)] += try #require(choice["text"] as? String)
      }
      used = piece["usage"] as? [String: Any] ?? used
    }
    #expect(texts == (try (0..<2).map { try answer("the end", 20, seed: 7, stream: UInt32($0)) }))
    #expect(used["completion_tokens"] as? Int == 40)
  }

  @Test("conversations are written by the template, and their answers told token by token")
  func chat() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    let body = #"{"messages":[{"role":"user","content":"hi"}],"max_tokens":6,"seed":3,"logprobs":true,"top_logprobs":2,"model":"hash"}"#
    let whole = try fixture.post(body, "/v1/chat/completions")
    let choice = try #require((whole.json["choices"] as? [[String: Any]])?.first)
    let message = try #require(choice["message"] as? [String: Any])
    let form = try AnswerForm(ChatTemplate.named("alpaca"), ByteTokenizer())
    var alone = GenerationRequest(
      prompt: try form.tokens(askingAfter: [ChatMessage(.user, "hi")], ByteTokenizer()), options: request("", 6, seed: 3).options)
    alone.options.sampler.temperature = 1
    alone.options.sampler.topK = nil
    #expect(message["content"] as? String == (try answerAlone(alone, ByteTokenizer(), contextSize: 512).text))
    #expect(message["role"] as? String == "assistant")
    let told = try #require((choice["logprobs"] as? [String: Any])?["content"] as? [[String: Any]])
    #expect(told.count == 6)
    for token in told {
      let top = try #require(token["top_logprobs"] as? [[String: Any]])
      #expect(top.count == 2 && token["bytes"] is [Int])
      #expect(try #require(token["logprob"] as? Double) <= (try #require(top[0]["logprob"] as? Double)) + 1e-12)
    }
    let streamed = try fixture.post(body.dropLast() + #","stream":true}"#, "/v1/chat/completions")
    var text = "", roles: [String] = [], reasons: [String] = []
    for event in streamed.events.dropLast() {
      let piece = try #require(try JSONSerialization.jsonObject(with: Data(event.utf8)) as? [String: Any])
      let choice = try #require((piece["choices"] as? [[String: Any]])?.first), delta = try #require(choice["delta"] as? [String: Any])
      text += delta["content"] as? String ?? ""
      roles += (delta["role"] as? String).map { [$0] } ?? []
      reasons += (choice["finish_reason"] as? String).map { [$0] } ?? []
    }
    #expect(text == message["content"] as? String && roles == ["assistant"] && reasons == ["length"])
  }

  @Test("an echo is the prompt, with the probabilities of its tokens where these are asked for")
  func echo() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    let answer = try fixture.post(#"{"prompt":"abc","max_tokens":0,"echo":true,"logprobs":1}"#)
    let choice = try #require((answer.json["choices"] as? [[String: Any]])?.first)
    #expect(choice["text"] as? String == "abc")
    let told = try #require(choice["logprobs"] as? [String: Any])
    #expect(told["tokens"] as? [String] == ["a", "b", "c"] && told["text_offset"] as? [Int] == [0, 1, 2])
    let logprobs = try #require(told["token_logprobs"] as? [Any])
    #expect(logprobs.count == 3 && logprobs[0] is NSNull && logprobs[1] is Double)
  }

  @Test("what there is not, another method, another type and another model are told apart")
  func routes() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    #expect(try fixture.get("/nothing").status == 404)
    #expect(try fixture.get("/v1/completions").status == 405)
    #expect(try fixture.post("{}", "/health").status == 405)
    #expect(try fixture.get("/health").json["status"] as? String == "ok")
    let models = try fixture.get("/v1/models").json["data"] as? [[String: Any]]
    #expect(models?.first?["id"] as? String == "hash")
    #expect(try fixture.get("/v1/models/hash").status == 200)
    #expect(try fixture.get("/v1/models/other").status == 404)
    let other = try fixture.post(#"{"model":"gpt-4","prompt":"a"}"#)
    #expect(other.status == 404 && other.errorMember["code"] as? String == "model_not_found")
    let client = try fixture.client()
    client.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
    #expect(try client.answer().status == 415)
    let long = try fixture.post("{\"prompt\":\"\(String(repeating: "a", count: 600))\"}")
    #expect(long.status == 400 && long.errorMember["code"] as? String == "context_length_exceeded")
  }

  @Test("only addresses, localhost and names that it was given are its own; other pages may not ask")
  func guardian() throws {
    let fixture = try ServerFixture {
      $0.hostNames = ["box.local"]
      $0.corsOrigins = ["https://mine.example"]
    }
    defer { fixture.end() }
    func status(_ host: String, _ fields: String = "") throws -> Int {
      let client = try fixture.client()
      client.send("GET /v1/models HTTP/1.1\r\nHost: \(host)\r\n\(fields)\r\n")
      return try client.answer().status
    }
    #expect(try status("localhost:8080") == 200 && status("127.0.0.1") == 200 && status("[::1]:1") == 200)
    #expect(try status("Box.Local") == 200)
    for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b"] {
      #expect(try status(host) == 421, "\(host)")
    }
    #expect(try status("localhost:1", "Origin: http://localhost:1\r\n") == 200)
    for origin in ["http://evil.example", "null", "http://localhost:2", "https://localhost:1", "http://mine.example"] {
      #expect(try status("localhost:1", "Origin: \(origin)\r\n") == 403, "\(origin)")
    }
    let allowed = try fixture.get("/v1/models", fields: "Origin: https://mine.example\r\n")
    #expect(allowed.status == 200 && allowed.fields["access-control-allow-origin"] == "https://mine.example")
    #expect(try fixture.get("/v1/models").fields["access-control-allow-origin"] == nil)
    let client = try fixture.client()
    client.send("OPTIONS /v1/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: https://mine.example\r\n\r\n")
    let preflight = try client.answer()
    #expect(preflight.status == 200 && preflight.fields["access-control-allow-methods"] == "GET, POST")
  }

  @Test("with a key nothing is answered without it but the page and whether the server is there")
  func key() throws {
    let fixture = try ServerFixture { $0.key = "secret" }
    defer { fixture.end() }
    for path in ["/v1/models", "/metrics", "/v1/models/hash"] {
      #expect(try fixture.get(path).status == 401, "\(path)")
      #expect(try fixture.get(path, fields: "Authorization: Bearer secre\r\n").status == 401)
      #expect(try fixture.get(path, fields: "Authorization: Basic secret\r\n").status == 401)
      #expect(try fixture.get(path, fields: "Authorization: bearer secret\r\n").status == 200)
    }
    let refused = try fixture.post(#"{"prompt":"a"}"#)
    #expect(refused.status == 401 && refused.errorMember["code"] as? String == "invalid_api_key")
    #expect(refused.fields["www-authenticate"] == "Bearer")
    #expect(try fixture.get("/").status == 200 && fixture.get("/health").status == 200)
  }

  @Test("another address wants a key, and a key is one word")
  func settings() {
    func error(_ change: (inout ServerSettings) -> Void) -> ServerError? {
      do {
        _ = try ServerFixture { change(&$0) }
        return nil
      } catch {
        return error as? ServerError
      }
    }
    #expect(error { $0.host = "0.0.0.0" } == .needsKey(host: "0.0.0.0"))
    #expect(error { $0.host = "::" } == .needsKey(host: "::"))
    #expect(error { $0.host = "127.evil.example" } == .needsKey(host: "127.evil.example"))
    for key in ["", "two words", "line\n", "schlüssel"] { #expect(error { $0.key = key } == .emptyKey) }
    for host in ["example.org", "1.2.3", "1.2.3.256", "::g"] {
      #expect(error { ($0.host, $0.key) = (host, "k") } == .noAddress(host), "\(host)")
    }
  }

  @Test("the page is whole, and tells browsers to load nothing from elsewhere")
  func page() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    let page = try fixture.get("/")
    #expect(page.status == 200 && page.fields["content-type"] == "text/html; charset=utf-8")
    #expect(page.fields["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
    for path in ["/playground.css", "/playground.js"] {
      #expect(page.body.contains("\"\(path)\""))
      let file = try fixture.get(path)
      #expect(file.status == 200 && !file.body.contains("://") && !file.body.contains("innerHTML"))
    }
    #expect(!page.body.contains("://"))
    let client = try fixture.client()
    client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    let both = client.rest()
    #expect(both.hasPrefix("HTTP/1.1 200 OK") && both.hasSuffix("{\"status\":\"ok\"}") && !both.contains("<html"))
  }

  @Test("metrics count requests and tokens; the log has a line for each, without its text")
  func metrics() throws {
    let fixture = try ServerFixture()
    defer { fixture.end() }
    _ = try fixture.post(#"{"prompt":"a private text","max_tokens":3,"seed":1}"#)
    _ = try fixture.get("/nothing?private=1")
    // An answer is counted once it is out, which its client may be told before.
    for _ in 0..<500 where try fixture.metric("answer_tokens_total") != 3 { usleep(10_000) }
    #expect(try fixture.metric("answer_tokens_total") == 3)
    #expect(try fixture.metric("prompt_tokens_total") == 14)
    #expect(try fixture.metric("first_token_seconds_count") == 1)
    let text = try fixture.get("/metrics").body
    #expect(text.contains("autograd_requests_total{path=\"/v1/completions\",status=\"200\"} 1\n"))
    #expect(text.contains("autograd_requests_total{path=\"other\",status=\"404\"} 1\n"))
    #expect(fixture.log.count >= 4)
    #expect(fixture.log.contains { $0.contains(" 200 POST /v1/completions prompt=14 reused=0 answer=3 first=") })
    #expect(!fixture.log.contains { $0.contains("private") })
  }
}
