import AutogradBase
public import AutogradEngine

/// What a decoder is made of: sizes, and choices that are values with names.
///
/// Every choice that can be written down here can be computed. How a file says it is the family's business.
public struct DecoderConfiguration: Sendable, Equatable {
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
  /// The width inside the feed-forward layers; 4C unless set.
  public var feedForwardWidth: Int
  /// Whether linear layers and norms have biases.
  public var hasBias: Bool
  public var norm = Norm.layer
  /// Added to the variance of a norm.
  public var normEpsilon = 1e-5
  public var positions = Positions.learned
  /// Between the two layers of the feed-forward part.
  public var activation = Activation.geluTanh
  public var head = Head.tied
  /// The shares of activations dropped in training.
  public var dropout: DropoutShares
  /// The standard deviation of new weights.
  public var initialDeviation = 0.02
  /// How files say all this, and call the tensors.
  public var family: ModelFamily
  /// Keys of the file that it was read from which change nothing here: they are written again.
  package var otherKeys: [JSON.Member] = []

  public enum Norm: Sendable, CaseIterable {
    /// Zero mean and unit variance, then a scale; a shift where the model has biases.
    case layer
  }

  public enum Positions: Sendable, CaseIterable {
    /// A vector for each position, added to the token's.
    case learned
  }

  public enum Head: Sendable, CaseIterable {
    /// The token embedding once more.
    case tied
    /// A weight of its own.
    case own
  }

  /// - Throws: `LanguageModelError.invalidConfiguration` where the sizes do not make a model.
  public init(
    vocabularySize: Int, contextLength: Int, layerCount: Int, headCount: Int, channelCount: Int,
    hasBias: Bool = true, dropout: Double = 0, family: ModelFamily = .standard
  ) throws(LanguageModelError) {
    self.init(unchecked: family)
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.layerCount = layerCount
    self.headCount = headCount
    self.channelCount = channelCount
    self.hasBias = hasBias
    self.dropout = DropoutShares(dropout)
    feedForwardWidth = 4 &* channelCount  // wraps only where the channels are refused
    if let problem { throw .invalidConfiguration(problem) }
  }

  /// No sizes yet: to be filled in, and checked afterwards.
  init(unchecked family: ModelFamily) {
    (vocabularySize, contextLength, layerCount, headCount, channelCount) = (0, 0, 0, 0, 0)
    (feedForwardWidth, hasBias, dropout, self.family) = (0, true, DropoutShares(0), family)
  }

  public var tiesHead: Bool { head == .tied }

  /// What is wrong with the values, in words.
  package var problem: String? {
    let sizes = [
      ("vocabulary size", vocabularySize), ("block size", contextLength), ("number of layers", layerCount),
      ("number of heads", headCount), ("number of channels", channelCount),
    ]
    for (name, size) in sizes where size < 1 || size > 1 << 24 {
      return "the \(name) must lie between 1 and \(1 << 24), got \(size)"
    }
    guard 1...4 << 24 ~= feedForwardWidth else {
      return "the feed-forward width must lie between 1 and \(4 << 24), got \(feedForwardWidth)"
    }
    let largest = (outerTensors + blockTensors).reduce(0) { max($0, $1.count) }
    if largest > 0x1p40 || layerCount > 1 << 16 || numberCount > 0x1p44 {
      return "the model is too large for any memory"
    }
    if channelCount % headCount != 0 {
      return "\(channelCount) channels do not divide into \(headCount) heads; make the channels a multiple of the heads"
    }
    for share in dropout.all where !(share >= 0 && share < 1) {
      return "dropout must be at least 0 and below 1, got \(share)"
    }
    if !(normEpsilon >= 0 && normEpsilon <= 1) { return "the norms' epsilon must lie between 0 and 1, got \(normEpsilon)" }
    return nil
  }
}

/// How much is dropped where, in training.
public struct DropoutShares: Sendable, Equatable {
  /// Of the embeddings' sum.
  public var embedding: Double
  /// Of the attention weights.
  public var attention: Double
  /// Of what each part adds to the residual stream.
  public var residual: Double

  public init(embedding: Double, attention: Double, residual: Double) {
    (self.embedding, self.attention, self.residual) = (embedding, attention, residual)
  }

  /// The same share everywhere.
  public init(_ share: Double) { self.init(embedding: share, attention: share, residual: share) }

  public var all: [Double] { [embedding, attention, residual] }

  /// The share, where it is the same everywhere.
  public var common: Double? { embedding == attention && attention == residual ? embedding : nil }
}
