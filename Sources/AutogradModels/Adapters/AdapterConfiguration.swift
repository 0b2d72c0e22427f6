/// Which weights of a model get an adapter. Embeddings and the head never do.
public enum AdapterTargets: Sendable, Equatable, CustomStringConvertible {
  /// All products of the blocks.
  case all
  /// Those of attention.
  case attention
  /// Those of the feed-forward layers.
  case feedForward
  /// By the last parts of the names that the family's files have: `q_proj`, `attn.c_proj`.
  case named([String])

  /// `all`, `attention`, `mlp`, or names joined by commas; nil where a name is none.
  public init?(_ text: String) {
    switch text {
    case "all": self = .all
    case "attention": self = .attention
    case "mlp": self = .feedForward
    default:
      let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      let isWord = { (name: String) in
        !name.isEmpty && name.utf8.allSatisfy { byte in
          byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
            || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
        }
      }
      guard names.allSatisfy(isWord) else { return nil }
      self = .named(names)
    }
  }

  public var description: String {
    switch self {
    case .all: "all"
    case .attention: "attention"
    case .feedForward: "mlp"
    case .named(let names): names.joined(separator: ",")
    }
  }

  /// - Parameters:
  ///   - path: Where the weight stands in our models: `blocks.0.attention.input.weight`.
  ///   - module: What the family's files call it, without `.weight`.
  func contains(path: String, module: String) -> Bool {
    let isIn = { (part: String) in path.split(separator: ".").contains { $0 == part } }
    return switch self {
    case .all: true
    case .attention: isIn("attention")
    case .feedForward: isIn("feedForward")
    case .named(let names): names.contains { module == $0 || module.hasSuffix("." + $0) }
    }
  }
}

/// What an adapter over a model is like.
public struct AdapterConfiguration: Sendable, Equatable {
  public var rank = 8
  /// The adapter's product counts alpha / rank.
  public var alpha = 16.0
  /// The share of its inputs that falls in training.
  public var dropout = 0.0
  public var targets = AdapterTargets.all
  /// The product counts alpha / √rank instead.
  public var isRankStabilized = false

  public init() {}

  /// What the product of both factors counts.
  public var scale: Double { alpha / (isRankStabilized ? Double(rank).squareRoot() : Double(rank)) }

  /// What is wrong with it, in words; nil where nothing is.
  public var problem: String? {
    if rank < 1 || rank > 65536 { return "an adapter's rank must lie between 1 and 65536, got \(rank)" }
    if !(alpha > 0 && alpha.isFinite) { return "an adapter's alpha must be a number above 0, got \(alpha)" }
    if !(dropout >= 0 && dropout < 1) { return "an adapter's dropout must be at least 0 and below 1, got \(dropout)" }
    return nil
  }
}

/// What is known of the model that an adapter was made for.
public struct AdapterBase: Sendable, Equatable {
  /// A file, a folder, or the name of a model on the hub.
  public var path: String?
  /// Of the files that hold its weights; nil in adapters that others made.
  public var sha256: String?

  public init(path: String?, sha256: String?) { (self.path, self.sha256) = (path, sha256) }
}
