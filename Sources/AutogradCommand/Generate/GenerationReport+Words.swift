import AutogradBase
import AutogradModels

extension FinishReason {
  /// As OpenAI calls it, but for what that has no word for.
  var name: String {
    switch self {
    case .endToken, .stopString: "stop"
    case .length: "length"
    case .cancelled: "cancelled"
    }
  }
}

extension GenerationReport {
  /// What it took, for people.
  ///
  /// - Parameter weights: The form of the weights, in words.
  func lines(_ memory: SessionMemory, _ weights: String) -> [String] {
    let remembered = reusedTokens > 0 ? ", \(reusedTokens.grouped) of them remembered" : ""
    let rows = [
      ("prompt", "\(promptTokens.grouped) tokens\(remembered); the first token after \(secondsToFirstToken.fixed(3)) s"
        + rate(promptTokensPerSecond)),
      ("generated", "\(generatedTokens.grouped) tokens in \(seconds.fixed(2)) s" + rate(tokensPerSecond)),
      ("memory", "weights \(memory.weightBytes.bytes), cache \(memory.cacheBytes.bytes) (\(memory.cacheType.rawValue)), "
        + "working \(memory.workingBytes.bytes)"),
      ("computed", weights),
    ]
    return rows.map { $0.0.padded(to: 11) + $0.1 }
  }

  private func rate(_ perSecond: Double?) -> String { perSecond.map { ", \($0.fixed(1)) tokens/s" } ?? "" }

  /// As OpenAI counts.
  var usage: JSON {
    .object([
      JSON.Member("prompt_tokens", .integer(Int64(promptTokens))),
      JSON.Member("completion_tokens", .integer(Int64(generatedTokens))),
      JSON.Member("total_tokens", .integer(Int64(promptTokens + generatedTokens))),
    ])
  }

  func timings(_ memory: SessionMemory) -> JSON {
    func number(_ value: Double?) -> JSON { value.map { .number($0) } ?? .null }
    return .object([
      JSON.Member("first_token_seconds", .number(secondsToFirstToken)), JSON.Member("seconds", .number(seconds)),
      JSON.Member("prompt_tokens_per_second", number(promptTokensPerSecond)),
      JSON.Member("tokens_per_second", number(tokensPerSecond)),
      JSON.Member("reused_tokens", .integer(Int64(reusedTokens))),
      JSON.Member("weight_bytes", .integer(Int64(memory.weightBytes))),
      JSON.Member("cache_bytes", .integer(Int64(memory.cacheBytes))),
      JSON.Member("working_bytes", .integer(Int64(memory.workingBytes))),
    ])
  }
}
