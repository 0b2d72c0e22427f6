import AutogradTestSupport
import Foundation
import Testing

/// The built command serving; what requests may say and do is tested with the server's module.
@Suite("serve", .serialized) struct ServeTests {
  private struct Serving {
    let process: Process
    let port: UInt16
    let log: Pipe

    /// - Returns: What it logged.
    func end(_ number: Int32 = SIGTERM) -> String {
      kill(process.processIdentifier, number)
      let text = String(decoding: log.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      return text
    }
  }

  private func serve(_ arguments: [String], environment: [String: String] = [:]) throws -> Serving {
    let process = Process(), output = Pipe(), log = Pipe()
    process.executableURL = executable
    process.arguments = ["serve", "--port", "0"] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = output
    process.standardError = log
    try process.run()
    var said = ""
    while !said.contains("\n") {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty, "it ended before it listened")
      said += String(decoding: more, as: UTF8.self)
    }
    let port = try #require(said.firstMatch(of: #/127\.0\.0\.1:(\d+), /#)?.1)
    return Serving(process: process, port: try #require(UInt16(port)), log: log)
  }

  private func post(_ body: String, _ port: UInt16, fields: String = "") throws -> RawAnswer {
    let client = try RawClient(port: port, seconds: 60)
    client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)")
    return try client.answer()
  }

  @Test("answers have the bytes that generate gives, several at once, and a signal ends it as it ends others")
  func answers() throws {
    try temporaryDirectory { folder in
      try TinyModel(["a": 1, "b": 1.5, "c": 0.5, "d": 1]).write(to: folder)
      let serving = try serve([folder, "--model-name", "tiny"])
      let body = #"{"model":"tiny","prompt":["ab","c"],"n":2,"max_tokens":9,"seed":5,"temperature":0.8,"top_k":200}"#
      let choices = try #require(try post(body, serving.port).json["choices"] as? [[String: Any]])
      for (index, prompt) in ["ab", "c"].enumerated() {
        let offline = try autograd(
          "generate", "--model", folder, "--prompt", prompt, "-n", "9", "--seed", "5", "--num-samples", "2")
        let texts = choices[(2 * index)...(2 * index + 1)].map { prompt + ($0["text"] as? String ?? "") }
        #expect(offline.output == texts.joined(separator: "\n---\n") + "\n")
      }
      let log = serving.end()
      #expect(serving.process.terminationReason == .uncaughtSignal && serving.process.terminationStatus == SIGTERM)
      #expect(log.contains(" 200 POST /v1/completions prompt=3 reused="))
    }
  }

  @Test("a key comes from a file or the environment, and is asked for")
  func key() throws {
    try temporaryDirectory { folder in
      try TinyModel(["a": 1, "b": 1]).write(to: folder)
      try write("from-file\n", folder + "/key")
      for (arguments, environment, key) in [
        (["--api-key-file", folder + "/key"], ["AUTOGRAD_API_KEY": "other"], "from-file"),
        ([], ["AUTOGRAD_API_KEY": "from-environment"], "from-environment"),
      ] {
        let serving = try serve([folder] + arguments, environment: environment)
        let body = #"{"prompt":"a","max_tokens":1}"#
        #expect(try post(body, serving.port).status == 401)
        #expect(try post(body, serving.port, fields: "Authorization: Bearer other\r\n").status == 401)
        #expect(try post(body, serving.port, fields: "Authorization: Bearer \(key)\r\n").status == 200)
        _ = serving.end(SIGINT)
        #expect(serving.process.terminationStatus == SIGINT)
      }
    }
  }

  @Test("what it cannot begin with is said in a line, with the option that helps")
  func refusals() throws {
    try temporaryDirectory { folder in
      try TinyModel(["a": 1, "b": 1]).write(to: folder)
      try write("two words", folder + "/key")
      let serving = try serve([folder])
      defer { _ = serving.end() }
      for (arguments, sentence) in [
        (["--port", "\(serving.port)"], "error: something else listens on 127.0.0.1:\(serving.port) already"),
        (["--host", "0.0.0.0"], "error: 0.0.0.0 can be reached from other machines, so requests must bring a key"),
        (["--api-key-file", folder + "/key"], "error: the key is empty, or has spaces"),
        (["--host", "here"], "error: \"here\" is no address"), (["--ctx-size", "1000"], "error: a context of 1000"),
        (["--chat-template", "chatml"], "error: the chat template chatml"),
      ] {
        let outcome = try autograd(["serve", folder] + arguments, environment: ["AUTOGRAD_API_KEY": arguments.contains("here") ? "k" : ""])
        #expect(outcome.status == 3 && outcome.errors.hasPrefix(sentence), "\(arguments): \(outcome)")
      }
      for arguments in [["--port", "70000"], ["--parallel", "0"], ["--cors-origin", "example.org"], ["--timeout", "0"]] {
        #expect(try autograd(["serve", folder] + arguments).status == 64, "\(arguments)")
      }
    }
  }
}
