/// The sizes of a GPT.
public struct GPTConfiguration: Sendable, Equatable {
  /// V: tokens run from 0 to V − 1.
  public var vocabularySize: Int
  /// The longest sequence that the model has positions for.
  public var contextLength: Int
  /// L
  public var layerCount: Int
  /// H; channels are a multiple of it.
  public var headCount: Int
  /// C
  public var channelCount: Int
  /// Whether linear layers and norms have biases.
  public var hasBias: Bool
  /// The share of activations dropped in training.
  public var dropout: Double
  public var layerNormEpsilon = 1e-5
  /// The width inside the feed-forward layers; 4C unless set.
  public var feedForwardWidth: Int
  /// Whether the head's weight is the token embedding.
  public var tiesHead = true

  /// - Throws: `LanguageModelError.invalidConfiguration` where the sizes do not make a model.
  public init(
    vocabularySize: Int, contextLength: Int, layerCount: Int, headCount: Int, channelCount: Int,
    hasBias: Bool = true, dropout: Double = 0
  ) throws(LanguageModelError) {
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.layerCount = layerCount
    self.headCount = headCount
    self.channelCount = channelCount
    self.hasBias = hasBias
    self.dropout = dropout
    feedForwardWidth = 4 &* channelCount  // wraps only where the channels are refused
    if let problem { throw .invalidConfiguration(problem) }
  }

  /// What is wrong with the sizes, in words.
  var problem: String? {
    let sizes = [
      ("vocabulary size", vocabularySize), ("block size", contextLength), ("number of layers", layerCount),
      ("number of heads", headCount), ("number of channels", channelCount),
    ]
    for (name, size) in sizes where size < 1 || size > 1 << 24 {
      return "the \(name) must lie between 1 and \(1 << 24), got \(size)"
    }
    let largest = (embeddingTensors + layerTensors + finalTensors).reduce(0) { max($0, $1.count) }
    if largest > 0x1p40 || layerCount > 1 << 16 || numberCount > 0x1p44 {
      return "the model is too large for any memory"
    }
    if channelCount % headCount != 0 {
      return "\(channelCount) channels do not divide into \(headCount) heads; make --n-embd a multiple of --n-head"
    }
    if !(dropout >= 0 && dropout < 1) { return "dropout must be at least 0 and below 1, got \(dropout)" }
    return nil
  }
}
