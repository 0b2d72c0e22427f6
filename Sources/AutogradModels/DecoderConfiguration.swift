import AutogradBase
import AutogradEngine

/// What a decoder is made of: sizes, and choices that are values with names.
///
/// Every choice that can be written down here can be computed. How a file says it is the family's business, and what a
/// family's files cannot say is refused when a model is saved.
public struct DecoderConfiguration: Sendable, Equatable {
  /// V: tokens run from 0 to V − 1.
  public var vocabularySize: Int
  /// The longest sequence that the model is made for.
  public var contextLength: Int
  /// L
  public var layerCount: Int
  /// H: heads of queries.
  public var headCount: Int
  /// Heads of keys and values, each shared by as many heads of queries; H is a multiple of it.
  public var keyValueHeadCount: Int
  /// D: channels of a head; C/H unless the model says otherwise.
  public var headSize: Int
  /// C
  public var channelCount: Int
  /// F: the width inside the feed-forward layers.
  public var feedForwardWidth: Int
  /// Which layers have biases.
  public var biases: Biases
  public var norm = Norm.layer
  /// Whether the sum of the embeddings goes through a norm before the first block.
  public var normalizesEmbedding = false
  /// Added to the variance, or to the mean square, of a norm.
  public var normEpsilon = 1e-5
  public var positions = Positions.learned
  /// How each head of queries and keys is normalised.
  public var queryKeyNorm = QueryKeyNorm.none
  /// How far attention looks back; nil everywhere.
  public var window: Window?
  public var feedForward = FeedForward.plain(.geluTanh)
  public var head = Head.tied
  /// c: logits become c · tanh(logits / c); nil leaves them.
  public var softCap: Double?
  /// The shares of activations dropped in training.
  public var dropout: DropoutShares
  /// The standard deviation of new weights.
  public var initialDeviation = 0.02
  /// How files say all this, and call the tensors.
  public var family: ModelFamily
  /// Keys of the file that it was read from which change nothing here: they are written again.
  package var otherKeys: [JSON.Member] = []

  /// A new model of a family.
  ///
  /// - Parameters:
  ///   - keyValueHeadCount: As many as heads unless given.
  ///   - headSize: C/H unless given.
  ///   - feedForwardWidth: 4C unless given; of gated layers, which have three matrices instead of two, 8/3 · C, rounded
  ///     up to a multiple of 32.
  ///   - hasBias: As is usual in the family unless given; see the property.
  /// - Throws: `LanguageModelError.invalidConfiguration` where the sizes do not make a model.
  public init(
    vocabularySize: Int, contextLength: Int, layerCount: Int, headCount: Int, channelCount: Int,
    keyValueHeadCount: Int? = nil, headSize: Int? = nil, feedForwardWidth: Int? = nil, hasBias: Bool? = nil,
    dropout: Double = 0, family: ModelFamily = .standard
  ) throws(LanguageModelError) {
    self.init(unchecked: family)
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.layerCount = layerCount
    self.headCount = headCount
    self.channelCount = channelCount
    self.dropout = DropoutShares(dropout)
    if let hasBias { self.hasBias = hasBias }
    (self.keyValueHeadCount, self.headSize) = (keyValueHeadCount ?? 0, headSize ?? 0)
    self.feedForwardWidth = feedForwardWidth ?? 0
    for (name, size) in [
      ("number of key-value heads", keyValueHeadCount), ("head size", headSize), ("feed-forward width", feedForwardWidth),
    ] where size ?? 1 < 1 {
      throw .invalidConfiguration("the \(name) must be at least 1, got \(size ?? 0)")
    }
    deriveSizes()
    if let problem { throw .invalidConfiguration(problem) }
  }

  /// The family's choices, and no sizes yet: to be filled in, and checked afterwards.
  init(unchecked family: ModelFamily) {
    (vocabularySize, contextLength, layerCount, headCount, channelCount) = (0, 0, 0, 0, 0)
    (keyValueHeadCount, headSize, feedForwardWidth) = (0, 0, 0)
    (biases, dropout, self.family) = (.all, DropoutShares(0), family)
    family.setChoices(&self)
  }

  /// Works out the sizes that nobody said: those that are 0.
  mutating func deriveSizes() {
    if keyValueHeadCount == 0 { keyValueHeadCount = headCount }
    if headSize == 0, headCount > 0 { headSize = channelCount / headCount }
    // Wraps only where the channels are refused.
    if feedForwardWidth == 0 { feedForwardWidth = feedForward.usualWidth(channelCount) }
  }

  public var tiesHead: Bool { head == .tied }

  /// Whether there are biases at all. Set, it gives the model those that are usual in the family, or none.
  public var hasBias: Bool {
    get { !biases.isEmpty }
    set { biases = newValue ? family.biases : [] }
  }

  /// H·D: the width of what attention computes for each token.
  public var attentionWidth: Int { headCount &* headSize }

  /// How many rows of attention's input make queries, keys and values.
  var attentionInputRows: [Int] {
    let keys = keyValueHeadCount * headSize
    return [attentionWidth, keys, keys]
  }

  /// How many tokens back, itself included, a token sees in a layer; nil where all.
  public func window(ofLayer index: Int) -> Int? { window.flatMap { $0.layers.contains(index) ? $0.size : nil } }

  /// Its rotary positions; nil where it has others.
  var rotary: Rotary? { if case .rotary(let rotary) = positions { rotary } else { nil } }

  /// The base of rotary positions; nil where it has others, which stay so.
  package var rotaryBase: Double? {
    get { rotary?.base }
    set {
      guard var rotary, let newValue else { return }
      rotary.base = newValue
      positions = .rotary(rotary)
    }
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
