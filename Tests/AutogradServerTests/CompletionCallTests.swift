import AutogradText
import Testing

@testable import AutogradServer

@Suite("Requests") struct CompletionCallTests {
  func completion(_ body: String) throws -> CompletionCall {
    try CompletionCall(Array(body.utf8), .completions, ServerLimits())
  }

  func chat(_ body: String) throws -> CompletionCall { try CompletionCall(Array(body.utf8), .chat, ServerLimits()) }

  @Test("every field of a completion arrives")
  func completionFields() throws {
    let call = try completion(
      """
      {"model": "m", "prompt": "a", "max_tokens": 7, "temperature": 0.25, "top_p": 0.5, "top_k": 9, "min_p": 0.125, "n": 3,
       "stream": true, "stream_options": {"include_usage": true}, "logprobs": 4, "echo": true, "stop": ["x", "yz"],
       "presence_penalty": -1.5, "frequency_penalty": 1.5, "repetition_penalty": 1.25, "logit_bias": {"5": -100, "6": 0.5},
       "seed": 9007199254740993}
      """)
    #expect(call.model == "m" && call.prompts == [.text("a")] && call.maximumTokens == 7 && call.count == 3)
    #expect(call.sampler.temperature == 0.25 && call.sampler.topP == 0.5 && call.sampler.topK == 9 && call.sampler.minP == 0.125)
    #expect(call.streams && call.streamsUsage && call.topCount == 4 && call.echoes && call.stops == ["x", "yz"])
    #expect(call.sampler.presencePenalty == -1.5 && call.sampler.frequencyPenalty == 1.5)
    #expect(call.sampler.repetitionPenalty == 1.25 && call.sampler.logitBias == [5: -100, 6: 0.5])
    #expect(call.seed == 9_007_199_254_740_993)
  }

  @Test("every field of a conversation arrives")
  func chatFields() throws {
    let call = try chat(
      """
      {"model": "m", "max_completion_tokens": 7, "logprobs": true, "top_logprobs": 20, "stop": "x", "n": 2, "messages": [
       {"role": "developer", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b", "type": "text"}]},
       {"role": "assistant", "content": "c", "refusal": null, "tool_calls": null, "annotations": []}, {"role": "user", "content": ""}]}
      """)
    #expect(
      call.prompts == [
        .messages([ChatMessage(.system, "s"), ChatMessage(.user, "ab"), ChatMessage(.assistant, "c"), ChatMessage(.user, "")])
      ])
    #expect(call.maximumTokens == 7 && call.topCount == 20 && call.stops == ["x"] && call.count == 2)
    #expect(try chat(#"{"messages":[{"role":"user","content":"a"}],"max_tokens":3}"#).maximumTokens == 3)
    #expect(try chat(#"{"messages":[{"role":"user","content":"a"}],"logprobs":true}"#).topCount == 0)
  }

  @Test("where nothing is said, it is as OpenAI has it")
  func defaults() throws {
    for body in [#"{"prompt":"a"}"#, #"{"prompt":"a","temperature":null,"n":null,"stop":null,"seed":null,"tools":null}"#] {
      let call = try completion(body)
      #expect(call.sampler.temperature == 1 && call.sampler.topP == 1 && call.sampler.topK == nil && call.sampler.minP == 0)
      #expect(call.sampler.repetitionPenalty == 1 && call.sampler.presencePenalty == 0 && call.sampler.frequencyPenalty == 0)
      #expect(call.count == 1 && call.maximumTokens == nil && call.seed == nil && call.stops.isEmpty && call.topCount == nil)
      #expect(!call.streams && !call.echoes && call.model == nil && call.sampler.logitBias.isEmpty)
    }
  }

  @Test("a prompt is a text, tokens, or several of either")
  func prompts() throws {
    #expect(try completion(#"{"prompt":["a","b"]}"#).prompts == [.text("a"), .text("b")])
    #expect(try completion(#"{"prompt":[1,2]}"#).prompts == [.tokens([1, 2])])
    #expect(try completion(#"{"prompt":[[1],[2,3]]}"#).prompts == [.tokens([1]), .tokens([2, 3])])
  }

  @Test("a field that is not supported may say what happens anyway", arguments: [
    #""best_of":1"#, #""suffix":"""#, #""store":false"#, #""tools":[]"#, #""response_format":{"type":"text"}"#,
    #""tool_choice":"none""#, #""service_tier":"auto""#, #""modalities":["text"]"#, #""audio":null"#, #""parallel_tool_calls":true"#,
  ])
  func idle(_ member: String) throws { #expect(try completion("{\"prompt\":\"a\",\(member)}").count == 1) }

  /// Bodies of completions, and the field that is to blame.
  static let completions: [(String, String?)] = [
    ("", nil), ("{", nil), ("[]", nil), ("null", nil), ("\"prompt\"", nil), ("{}", "prompt"), (#"{"prompt":"a"} {}"#, nil),
    (#"{"prompt":"a","prompt":"b"}"#, nil), (#"{'prompt':"a"}"#, nil), (#"{"prompt":"\ud800"}"#, nil),
    ("{\"prompt\":\"a\u{1}\"}", nil), (#"{"prompt":"a",}"#, nil), ("\u{FEFF}{}", nil),
    (#"{"prompt":"a","n":01}"#, nil), (#"{"prompt":"a","temperature":1e999}"#, nil),
    (String(repeating: "[", count: 17) + String(repeating: "]", count: 17), nil),
    (#"{"prompt":5}"#, "prompt"), (#"{"prompt":true}"#, "prompt"), (#"{"prompt":{}}"#, "prompt"), (#"{"prompt":""}"#, "prompt"),
    (#"{"prompt":[]}"#, "prompt"), (#"{"prompt":[[]]}"#, "prompt"), (#"{"prompt":[1,"a"]}"#, "prompt"), (#"{"prompt":["a",1]}"#, "prompt"),
    (#"{"prompt":[-1]}"#, "prompt"), (#"{"prompt":[1.5]}"#, "prompt"), (#"{"prompt":[4294967296]}"#, "prompt"),
    (#"{"prompt":[[1],2]}"#, "prompt"), (#"{"prompt":[[1],["a"]]}"#, "prompt"), (#"{"prompt":[null]}"#, "prompt"), (#"{"prompt":["a",""]}"#, "prompt"),
    (#"{"prompt":"a","model":5}"#, "model"), (#"{"prompt":"a","model":["m"]}"#, "model"),
    (#"{"prompt":"a","max_tokens":-1}"#, "max_tokens"), (#"{"prompt":"a","max_tokens":1.5}"#, "max_tokens"),
    (#"{"prompt":"a","max_tokens":"7"}"#, "max_tokens"), (#"{"prompt":"a","max_tokens":1e300}"#, "max_tokens"),
    (#"{"prompt":"a","temperature":-0.1}"#, "temperature"), (#"{"prompt":"a","temperature":2.1}"#, "temperature"),
    (#"{"prompt":"a","temperature":"hot"}"#, "temperature"), (#"{"prompt":"a","temperature":[1]}"#, "temperature"),
    (#"{"prompt":"a","temperature":"nan"}"#, "temperature"),
    (#"{"prompt":"a","top_p":-1}"#, "top_p"), (#"{"prompt":"a","top_p":1.01}"#, "top_p"), (#"{"prompt":"a","top_p":true}"#, "top_p"),
    (#"{"prompt":"a","top_k":-1}"#, "top_k"), (#"{"prompt":"a","top_k":2.5}"#, "top_k"), (#"{"prompt":"a","top_k":"all"}"#, "top_k"),
    (#"{"prompt":"a","min_p":2}"#, "min_p"), (#"{"prompt":"a","min_p":-2}"#, "min_p"), (#"{"prompt":"a","min_p":{}}"#, "min_p"),
    (#"{"prompt":"a","n":0}"#, "n"), (#"{"prompt":"a","n":17}"#, "n"), (#"{"prompt":"a","n":"2"}"#, "n"), (#"{"prompt":["a","b","c"],"n":6}"#, "n"),
    (#"{"prompt":"a","presence_penalty":-2.5}"#, "presence_penalty"), (#"{"prompt":"a","presence_penalty":3}"#, "presence_penalty"),
    (#"{"prompt":"a","presence_penalty":"1"}"#, "presence_penalty"), (#"{"prompt":"a","frequency_penalty":-3}"#, "frequency_penalty"),
    (#"{"prompt":"a","frequency_penalty":2.01}"#, "frequency_penalty"), (#"{"prompt":"a","frequency_penalty":[]}"#, "frequency_penalty"),
    (#"{"prompt":"a","repetition_penalty":0}"#, "repetition_penalty"), (#"{"prompt":"a","repetition_penalty":-1}"#, "repetition_penalty"),
    (#"{"prompt":"a","repetition_penalty":"no"}"#, "repetition_penalty"),
    (#"{"prompt":"a","seed":-1}"#, "seed"), (#"{"prompt":"a","seed":1.5}"#, "seed"), (#"{"prompt":"a","seed":"7"}"#, "seed"),
    (#"{"prompt":"a","seed":99999999999999999999}"#, "seed"),
    (#"{"prompt":"a","stop":5}"#, "stop"), (#"{"prompt":"a","stop":""}"#, "stop"), (#"{"prompt":"a","stop":["a",5]}"#, "stop"),
    (#"{"prompt":"a","stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]}"#, "stop"),
    (#"{"prompt":"a","stop":{"a":1}}"#, "stop"),
    (#"{"prompt":"a","logit_bias":[]}"#, "logit_bias"), (#"{"prompt":"a","logit_bias":{"x":1}}"#, "logit_bias"),
    (#"{"prompt":"a","logit_bias":{"-1":1}}"#, "logit_bias"), (#"{"prompt":"a","logit_bias":{"1":101}}"#, "logit_bias"),
    (#"{"prompt":"a","logit_bias":{"1":"1"}}"#, "logit_bias"), (#"{"prompt":"a","logit_bias":{"1":1,"01":1}}"#, "logit_bias"),
    (#"{"prompt":"a","stream":1}"#, "stream"), (#"{"prompt":"a","stream":"true"}"#, "stream"),
    (#"{"prompt":"a","stream_options":{"include_usage":true}}"#, "stream_options"),
    (#"{"prompt":"a","stream":true,"stream_options":true}"#, "stream_options"),
    (#"{"prompt":"a","stream":true,"stream_options":{"include_usage":1}}"#, "stream_options"),
    (#"{"prompt":"a","stream":true,"stream_options":{"other":true}}"#, "stream_options"),
    (#"{"prompt":"a","logprobs":6}"#, "logprobs"), (#"{"prompt":"a","logprobs":true}"#, "logprobs"), (#"{"prompt":"a","logprobs":-1}"#, "logprobs"),
    (#"{"prompt":"a","echo":"yes"}"#, "echo"), (#"{"prompt":"a","echo":0}"#, "echo"),
    (#"{"prompt":"a","best_of":2}"#, "best_of"), (#"{"prompt":"a","suffix":"b"}"#, "suffix"), (#"{"prompt":"a","user":"u"}"#, "user"),
    (#"{"prompt":"a","top_logprobs":2}"#, "top_logprobs"), (#"{"prompt":"a","messages":[]}"#, "messages"),
    (#"{"prompt":"a","Temperature":1}"#, "Temperature"), (#"{"prompt":"a","max_new_tokens":1}"#, "max_new_tokens"),
    (#"{"prompt":"a","":1}"#, ""), (#"{"prompt":"a","metadata":{"a":"b"}}"#, "metadata"),
  ]

  /// Bodies of conversations.
  static let chats: [(String, String?)] = [
    ("{\"x\":1}", "messages"), (#"{"messages":"a"}"#, "messages"), (#"{"messages":[]}"#, "messages"), (#"{"messages":["a"]}"#, "messages[0]"),
    (#"{"messages":[{"content":"a"}]}"#, "messages[0]"), (#"{"messages":[{"role":"user"}]}"#, "messages[0]"),
    (#"{"messages":[{"role":"user","content":"a"},{"role":"tool","content":"a"}]}"#, "messages[1].role"),
    (#"{"messages":[{"role":5,"content":"a"}]}"#, "messages[0].role"), (#"{"messages":[{"role":"user","content":5}]}"#, "messages[0].content"),
    (#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#, "messages[0].content"),
    (#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages[0].content"),
    (#"{"messages":[{"role":"user","content":["a"]}]}"#, "messages[0].content"),
    (#"{"messages":[{"role":"user","content":"a","name":"n"}]}"#, "messages[0].name"),
    (#"{"messages":[{"role":"assistant","content":"a","tool_calls":[{"id":"1"}]}]}"#, "messages[0].tool_calls"),
    (#"{"messages":[{"role":"user","content":"a"}],"max_tokens":1,"max_completion_tokens":1}"#, "max_tokens"),
    (#"{"messages":[{"role":"user","content":"a"}],"max_completion_tokens":0}"#, "max_completion_tokens"),
    (#"{"messages":[{"role":"user","content":"a"}],"logprobs":2}"#, "logprobs"),
    (#"{"messages":[{"role":"user","content":"a"}],"top_logprobs":2}"#, "top_logprobs"),
    (#"{"messages":[{"role":"user","content":"a"}],"logprobs":true,"top_logprobs":21}"#, "top_logprobs"),
    (#"{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function"}]}"#, "tools"),
    (#"{"messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_object"}}"#, "response_format"),
    (#"{"messages":[{"role":"user","content":"a"}],"echo":true}"#, "echo"),
    (#"{"messages":[{"role":"user","content":"a"}],"reasoning_effort":"low"}"#, "reasoning_effort"),
    (#"{"messages":[{"role":"user","content":"a"}],"modalities":["audio"]}"#, "modalities"),
  ]

  private func refusal(_ body: String, _ endpoint: CompletionCall.Endpoint) -> APIError? {
    do {
      _ = try CompletionCall(Array(body.utf8), endpoint, ServerLimits())
      return nil
    } catch {
      return error
    }
  }

  @Test("each of over 100 broken bodies is a 400 that names its field and says its own sentence")
  func broken() {
    let all = Self.completions.map { ($0.0, $0.1, CompletionCall.Endpoint.completions) }
      + Self.chats.map { ($0.0, $0.1, CompletionCall.Endpoint.chat) }
    #expect(all.count >= 100)
    var sentences: [String: String] = [:]
    for (body, field, endpoint) in all {
      guard let error = refusal(body, endpoint) else {
        Issue.record("accepted: \(body)")
        continue
      }
      #expect(error.status == 400 && error.type == "invalid_request_error", "\(body)")
      #expect(error.parameter == field, "\(body): \(error)")
      #expect(!error.message.isEmpty && error.message.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
      if let other = sentences.updateValue(body, forKey: error.message) {
        Issue.record("\(other) and \(body) have one sentence: \(error)")
      }
    }
  }

  @Test("limits are bounds, and their values are allowed")
  func limits() throws {
    var limits = ServerLimits()
    limits.answerTokens = 10
    limits.choices = 2
    limits.bodyBytes = 60
    #expect(try CompletionCall(Array(#"{"prompt":"a","max_tokens":10,"n":2}"#.utf8), .completions, limits).count == 2)
    for body in [#"{"prompt":"a","max_tokens":11}"#, #"{"prompt":"a","n":3}"#, #"{"prompt":"\#(String(repeating: "a", count: 60))"}"#] {
      #expect(throws: APIError.self) { try CompletionCall(Array(body.utf8), .completions, limits) }
    }
  }

  @Test("an error has the form that OpenAI's clients read")
  func form() throws {
    let error = try #require(refusal(#"{"prompt":"a","temperature":3}"#, .completions))
    let text = String(decoding: error.json.serialized(), as: UTF8.self)
    #expect(
      text == #"{"error":{"message":"temperature must be a number from 0 to 2, got 3","type":"invalid_request_error","param":"temperature","code":null}}"#)
  }
}
