#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A token that was drawn, and how likely the model itself thought it was.
public struct TokenChoice: Sendable, Equatable {
  /// A token that could have come.
  public struct Alternative: Sendable, Equatable {
    public let token: Int32
    public let logprob: Double

    public init(token: Int32, logprob: Double) { (self.token, self.logprob) = (token, logprob) }
  }

  public let token: Int32
  /// The logarithm of its probability by the model's logits as they are: no temperature, bias or penalty enters, as with
  /// OpenAI. −∞ where only a bias made it possible.
  public let logprob: Double
  /// The likeliest tokens, the likeliest first, whether or not settings allowed them.
  public let top: [Alternative]

  public init(token: Int32, logprob: Double, top: [Alternative] = []) {
    (self.token, self.logprob, self.top) = (token, logprob, top)
  }

  /// What the logits say of a token and of the `count` likeliest.
  ///
  /// Shapes: `logits` [V], none NaN or +∞, one of them above −∞.
  ///
  /// - Complexity: O(V + count · log V).
  package init(_ token: Int32, of logits: [Float], top count: Int) {
    let best = LogitScan.largest(logits)
    let logarithm = log(Exponentials.sum(logits, below: best))
    func logprob(_ logit: Float) -> Double { Double(logit) - Double(best) - logarithm }
    self.token = token
    self.logprob = logprob(logits[Int(token)])
    top = count == 0
      ? [] : Candidates(logits, best: best).likeliest(count).map { Alternative(token: $0.token, logprob: logprob($0.score)) }
  }
}
