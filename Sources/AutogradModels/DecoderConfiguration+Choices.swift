public import AutogradEngine

// The choices that a decoder is made of.
extension DecoderConfiguration {
  /// Where biases are: what linear layers add, and the shifts of layer norms.
  public struct Biases: OptionSet, Sendable {
    public let rawValue: Int

    public init(rawValue: Int) { self.rawValue = rawValue }

    /// Of queries, keys and values.
    public static let attentionInput = Biases(rawValue: 1)
    public static let attentionOutput = Biases(rawValue: 2)
    /// Of both layers of the feed-forward part.
    public static let feedForward = Biases(rawValue: 4)
    public static let norms = Biases(rawValue: 8)
    /// Of every linear layer and every norm.
    public static let all: Biases = [.attentionInput, .attentionOutput, .feedForward, .norms]
  }

  public enum Norm: Sendable, Equatable {
    /// Zero mean and unit variance, then a scale; a shift where the norms have biases.
    case layer
    /// Divided by the root of the mean square, then scaled or not.
    case rms(hasScale: Bool)
  }

  public enum Positions: Sendable, Equatable {
    /// A vector for each position, added to the token's.
    case learned
    /// Pairs of channels of queries and keys are turned by angles that grow with the position.
    case rotary(Rotary)
  }

  /// Rotary positions: pair i of a head's R = D · `share` turned channels turns by position / base^(2i/R).
  public struct Rotary: Sendable, Equatable {
    public var base = 10000.0
    public var scaling = RotaryScaling.none
    /// The share of a head's channels that turn, the first ones.
    public var share = 1.0
    public var convention = RotaryConvention.half
    public var direction = RotaryDirection.forward

    public init() {}
  }

  public enum QueryKeyNorm: Sendable, Equatable {
    case none
    /// Divided by the root of the mean square.
    case plain
    /// The same, then scaled; before positions turn them.
    case scaled
  }

  /// How far back attention looks, and where.
  public struct Window: Sendable, Equatable {
    /// Tokens that a token sees, itself included.
    public var size: Int
    public var layers: Layers

    public init(size: Int, layers: Layers = .from(0)) { (self.size, self.layers) = (size, layers) }

    /// Layers, counted from 0.
    public enum Layers: Sendable, Equatable {
      /// This one and all behind it.
      case from(Int)
      /// These, in ascending order.
      case only([Int])

      public func contains(_ index: Int) -> Bool {
        switch self {
        case .from(let first): index >= first
        case .only(let indices): indices.contains(index)
        }
      }
    }
  }

  public enum FeedForward: Sendable, Equatable {
    /// Two layers with an activation between them.
    case plain(Activation)
    /// The activation of one layer times another layer, and a third behind them.
    case gated(Activation)

    public var activation: Activation {
      switch self {
      case .plain(let activation), .gated(let activation): activation
      }
    }

    public var isGated: Bool { if case .gated = self { true } else { false } }

    /// Of a new model: 4C; for three matrices instead of two, two thirds of it, rounded up to a multiple of 32.
    func usualWidth(_ channels: Int) -> Int { isGated ? (8 &* channels &+ 95) / 96 &* 32 : 4 &* channels }
  }

  public enum Head: Sendable, CaseIterable {
    /// The token embedding once more.
    case tied
    /// A weight of its own.
    case own
  }
}

// MARK: What is wrong

extension DecoderConfiguration {
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
    return headProblem ?? numberProblem ?? choiceProblem ?? family.findProblem(self)
  }

  private var headProblem: String? {
    if channelCount % headCount != 0, headSize == channelCount / headCount {
      return "\(channelCount) channels do not divide into \(headCount) heads; make the channels a multiple of the heads"
    }
    guard 1...1 << 24 ~= headSize else { return "the head size must lie between 1 and \(1 << 24), got \(headSize)" }
    guard 1...headCount ~= keyValueHeadCount, headCount % keyValueHeadCount == 0 else {
      return "\(headCount) heads cannot share \(keyValueHeadCount) key-value heads; make the heads a multiple of them"
    }
    if Double(attentionWidth) > 0x1p30 { return "the model is too large for any memory" }
    guard let rotary else { return nil }
    guard rotary.share > 0, rotary.share <= 1 else {
      return "the share of channels that rotary positions turn must be above 0 and at most 1, got \(rotary.share)"
    }
    let turned = rotary.turnedChannels(of: headSize)
    guard turned > 0, turned % 2 == 0 else {
      return "rotary positions turn pairs of channels, and the \(turned) that turn of a head of \(headSize) do not divide "
        + "into pairs; make the head size even"
    }
    return nil
  }

  private var numberProblem: String? {
    let largest = (outerTensors + blockTensors).reduce(0) { max($0, $1.count) }
    if largest > 0x1p40 || layerCount > 1 << 16 || numberCount > 0x1p44 || Double(contextLength) * Double(headSize) > 0x1p40 {
      return "the model is too large for any memory"
    }
    for share in dropout.all where !(share >= 0 && share < 1) {
      return "dropout must be at least 0 and below 1, got \(share)"
    }
    if !(normEpsilon >= 0 && normEpsilon <= 1) { return "the norms' epsilon must lie between 0 and 1, got \(normEpsilon)" }
    if let softCap, !(softCap > 0 && softCap.isFinite) { return "the soft cap must be a number above 0, got \(softCap)" }
    return nil
  }

  private var choiceProblem: String? {
    if let window {
      guard 1...1 << 40 ~= window.size else { return "the window must lie between 1 and \(1 << 40), got \(window.size)" }
    }
    guard let rotary else { return nil }
    if !(rotary.base >= 1 && rotary.base <= 1e18) {
      return "the base of rotary positions must lie between 1 and 1e18, got \(rotary.base)"
    }
    // Far beyond what anybody means, far from where angles are no numbers any more.
    let factors = 1e-6...1e6
    switch rotary.scaling {
    case .none: return nil
    case .linear(let factor):
      return factors ~= factor ? nil : "the scaling of rotary positions must lie between 1e-6 and 1e6, got \(factor)"
    case .llama3(let factor, let low, let high, let context):
      guard factors ~= factor, factors ~= low, factors ~= high, high > low, 1...1 << 40 ~= context else {
        return "Llama 3's scaling needs a factor and two frequencies between 1e-6 and 1e6, the high one above the low one, "
          + "and a context of at least 1; got \(factor), \(high), \(low) and \(context)"
      }
      return nil
    }
  }
}

extension DecoderConfiguration.Rotary {
  /// Channels of a head that turn.
  func turnedChannels(of headSize: Int) -> Int { Int(Double(headSize) * share) }
}

// MARK: In words

extension DecoderConfiguration: CustomStringConvertible {
  /// `llama: 4 layers, 4 heads on 2, 128 channels, context 64, vocabulary 65, no biases, rotary positions, …`
  public var description: String {
    var parts = [
      "\(layerCount) layers", "\(headCount) heads" + (keyValueHeadCount == headCount ? "" : " on \(keyValueHeadCount)"),
      "\(channelCount) channels", "context \(contextLength)", "vocabulary \(vocabularySize)",
    ]
    if headSize != channelCount / headCount { parts.append("heads of \(headSize)") }
    if !hasBias { parts.append("no biases") }
    if hasBias, biases.isStrictSubset(of: family.biases) { parts.append("some biases") }
    if let rotary { parts.append("rotary positions of base \(rotary.base)" + rotary.scaling.phrase) }
    if queryKeyNorm != .none { parts.append("queries and keys normalised") }
    if let window { parts.append("a window of \(window.size)" + window.layers.phrase) }
    if feedForward.isGated || feedForwardWidth != 4 * channelCount {
      parts.append((feedForward.isGated ? "gated " : "") + "feed-forward layers of \(feedForwardWidth)")
    }
    if let softCap { parts.append("logits capped at \(softCap)") }
    if tiesHead { parts.append("tied head") }
    return family.modelType + ": " + parts.joined(separator: ", ")
  }
}

extension RotaryScaling {
  fileprivate var phrase: String {
    switch self {
    case .none: ""
    case .linear(let factor): ", scaled by \(factor)"
    case .llama3(let factor, _, _, let context): ", scaled by \(factor) from \(context) as in Llama 3"
    }
  }
}

extension DecoderConfiguration.Window.Layers {
  fileprivate var phrase: String {
    switch self {
    case .from(0): ""
    case .from(let first): " from layer \(first) on"
    case .only(let layers): " in \(layers.count) of the layers"
    }
  }
}
