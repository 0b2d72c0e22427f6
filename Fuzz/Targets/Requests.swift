import AutogradBase
import AutogradServer

extension FuzzTarget {
  /// The body of a request is refused in a sentence, or asks for something within every bound.
  static let openAI = FuzzTarget("openai") { bytes throws(BrokenProperty) in
    var wasAccepted = false
    let limits = ServerLimits()
    for endpoint in CompletionCall.Endpoint.allCases {
      guard let call = try accepted({ () throws(APIError) in try CompletionCall(bytes, endpoint, limits) }) else { continue }
      wasAccepted = true
      let sampler = call.sampler
      try require(!call.prompts.isEmpty && !call.prompts.contains(.text("")), "a prompt of nothing")
      try require((1...limits.choices).contains(call.count * call.prompts.count), "\(call.count) answers")
      try require((0...2).contains(sampler.temperature) && (0...1).contains(sampler.topP), "a temperature or top-p out of bounds")
      try require((0...1).contains(sampler.minP) && sampler.topK ?? 1 >= 1, "a min-p or top-k out of bounds")
      try require(sampler.repetitionPenalty > 0 && sampler.repetitionPenalty.isFinite, "a repetition penalty out of bounds")
      try require(abs(sampler.presencePenalty) <= 2 && abs(sampler.frequencyPenalty) <= 2, "a penalty out of bounds")
      try require(sampler.logitBias.allSatisfy { $0.key >= 0 && abs($0.value) <= 100 }, "a bias out of bounds")
      try require(call.stops.count <= limits.stops && call.stops.allSatisfy { !$0.isEmpty }, "a stop text of nothing")
      try require(call.topCount ?? 0 <= (endpoint == .chat ? 20 : 5), "\(call.topCount ?? 0) likely tokens")
      try require(call.streams || !call.streamsUsage, "pieces of what is whole")
    }
    return wasAccepted
  }

  /// The head of a request is refused in a sentence, or says in one way how long its body is; a body in chunks is the same
  /// however its bytes come.
  static let http = FuzzTarget("http") { bytes throws(BrokenProperty) in
    let end = (0..<max(0, bytes.count - 3)).first { bytes[$0..<$0 + 4].elementsEqual([13, 10, 13, 10]) } ?? bytes.count
    let read = try accepted { () throws(HTTPProblem) in
      let head = try RequestHead(bytes[..<end], fieldCount: 16)
      return (head, try head.framing())
    }
    guard let (head, framing) = read else { return false }
    try require(head.path.hasPrefix("/") && head.path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "a path that is none")
    try require(head.isVersion10 || head["host"] != nil, "a request to nobody")
    if case .bytes(let count) = framing { try require(count > 0, "a body of \(count) bytes") }
    guard framing == .chunked else { return true }
    let body = Array(bytes.dropFirst(end + 4)), whole = try accepted { () throws(HTTPProblem) in try chunks(body, body.count) }
    for length in [1, 3] {
      let cut = try accepted { () throws(HTTPProblem) in try chunks(body, length) }
      try require(cut == whole, "in pieces of \(length) bytes the body is another")
    }
    return true
  }

  /// What a body in chunks has, and what is left behind it; nil while it is not whole.
  private static func chunks(_ bytes: [UInt8], _ length: Int) throws(HTTPProblem) -> [[UInt8]]? {
    var body = ChunkedBody(byteLimit: 4096), waiting: [UInt8] = [], start = 0
    while start < bytes.count, !body.isComplete {
      let end = min(start + max(1, length), bytes.count)
      waiting += bytes[start..<end]
      start = end
      try body.take(&waiting)
    }
    return body.isComplete ? [body.bytes, waiting + bytes[start...]] : nil
  }
}
