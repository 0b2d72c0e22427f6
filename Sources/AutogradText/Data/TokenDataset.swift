/// Tokens in a part to train on and a part to check with.
public struct TokenDataset: Sendable {
  /// Names one of the two.
  public enum Part: String, Sendable {
    case training, validation
  }

  public let training: any TokenSource
  public let validation: any TokenSource
  /// The share of all tokens that the validation part was cut off with; nil where the parts came as they are.
  private let validationFraction: Double?

  /// Takes two parts as they are: two files, for example.
  public init(training: any TokenSource, validation: any TokenSource) {
    (self.training, self.validation) = (training, validation)
    validationFraction = nil
  }

  /// Splits tokens in order, as nanoGPT does: the first ⌊(1 − fraction) · n⌋ are for training. Nothing is copied.
  ///
  /// - Parameter validationFraction: From 0, which keeps everything for training, to below 1.
  /// - Throws: `invalidValidationFraction`.
  public init(tokens: any TokenSource, validationFraction: Double = 0.1) throws(TextError) {
    guard (0..<1).contains(validationFraction) else {
      throw .invalidValidationFraction(validationFraction)
    }
    let count = tokens.count, trainingCount = TokenDataset.trainingCount(count, validationFraction)
    training = TokenSlice(tokens, 0..<trainingCount)
    validation = TokenSlice(tokens, trainingCount..<count)
    self.validationFraction = validationFraction
  }

  private static func trainingCount(_ count: Int, _ validationFraction: Double) -> Int {
    Int((1 - validationFraction) * Double(count))
  }

  /// Checks that each part holds at least one window, which is `blockSize` inputs and one more target.
  ///
  /// - Throws: `tooShort`, with the part, its tokens and what to do; the training part is checked first.
  public func requireWindows(
    blockSize: Int, in parts: [Part] = [.training, .validation]
  ) throws(TextError) {
    for part in parts {
      let count = self[part].count
      if count <= blockSize {
        throw .tooShort(part: part, tokenCount: count, blockSize: blockSize, advice: advice(blockSize, parts))
      }
    }
  }

  /// What makes a window of every part: each way is tried before it is named.
  private func advice(_ blockSize: Int, _ parts: [Part]) -> String {
    var ways = ["give more text"]
    let most = parts.map { self[$0].count - 1 }.min() ?? 0
    if most >= 1 { ways.append("a block size of at most \(most)") }
    if validationFraction != nil, parts.count == 2 {
      let count = training.count + validation.count
      // The smallest of a hundredth each that leaves both parts a window.
      let fraction = (1..<100).lazy.map { Double($0) / 100 }.first { fraction in
        let first = TokenDataset.trainingCount(count, fraction)
        return first > blockSize && count - first > blockSize
      }
      if let fraction { ways.append("a validation fraction of \(fraction)") }
    }
    return ways.joined(separator: ", or ")
  }

  public subscript(part: Part) -> any TokenSource {
    switch part {
    case .training: training
    case .validation: validation
    }
  }
}
