/// A text as tokens, in a part to train on and a part to check with.
public struct TokenDataset: Sendable {
  /// Names one of the two.
  public enum Part: String, Sendable {
    case training, validation
  }

  public let training: [Int32]
  public let validation: [Int32]

  /// Splits tokens in order, as nanoGPT does: the first ⌊(1 − fraction) · n⌋ are for training.
  ///
  /// - Parameter validationFraction: From 0, which keeps everything for training, to below 1.
  /// - Throws: `invalidValidationFraction`.
  public init(tokens: [Int32], validationFraction: Double = 0.1) throws(TextError) {
    guard (0..<1).contains(validationFraction) else {
      throw .invalidValidationFraction(validationFraction)
    }
    let trainingCount = Int((1 - validationFraction) * Double(tokens.count))
    training = Array(tokens[..<trainingCount])
    validation = Array(tokens[trainingCount...])
  }

  /// Checks that each part holds at least one window, which is `blockSize` inputs and one more target.
  ///
  /// - Throws: `tooShort`, with the part, its tokens and what to do; the training part is checked first.
  public func requireWindows(
    blockSize: Int, in parts: [Part] = [.training, .validation]
  ) throws(TextError) {
    for part in parts {
      let count = self[part].count
      if count <= blockSize { throw .tooShort(part: part, tokenCount: count, blockSize: blockSize) }
    }
  }

  public subscript(part: Part) -> [Int32] {
    switch part {
    case .training: training
    case .validation: validation
    }
  }
}
