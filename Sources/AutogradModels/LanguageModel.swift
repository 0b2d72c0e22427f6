public import AutogradEngine
public import AutogradNeuralNetwork

/// A model that tells for each token of a text how likely every token is to come next.
///
/// What trains, measures, plans, saves and continues texts knows a model by this alone. A sequence's results depend
/// neither on its batch nor on what follows: the first t rows of `logits` are those of the first t tokens alone, bit
/// for bit.
public protocol LanguageModel<Scalar>: Module {
  /// Sizes and choices: all that a file must say to make the model again, but for its weights.
  var configuration: DecoderConfiguration { get }

  /// Every tensor once, in the order of `parameters`: whatever counts, plans, saves, loads or trains goes by it.
  var tensors: [ModelTensor<Scalar>] { get }

  /// Whether only each block's input is kept for backward, which then computes the block again: about a third more
  /// time, the same gradients bit for bit.
  var recomputesBlocks: Bool { get set }

  /// Draws new weights, each tensor from a stream of its own.
  func initialize(seed: UInt64)

  /// A model of the same kind for texts of another length, without weights: it takes next to no memory.
  func withoutWeights(contextLength: Int) -> Self

  /// The bytes of tables that a pass looks up and nobody trains; 0 unless a model has any.
  var tableBytes: Int { get }

  /// Takes memory for the tables and fills them as far as texts of `positions` tokens look them up, so that no step has to.
  ///
  /// - Returns: Whether the system had it.
  func reserveTables(positions: Int) -> Bool

  /// What the head sees of each token.
  ///
  /// Shapes: tokens [B, T] → [B, T, C].
  ///
  /// - Parameter passing: Called after each stage.
  /// - Precondition: T is at most the context length, tokens lie inside the vocabulary.
  func hiddenStates(_ tokens: Tokens, passing: (ModelStage) -> Void) -> Variable<Scalar>

  /// What the head sees of tokens that go on with texts whose keys and values are kept. It is what `hiddenStates` of the
  /// whole texts is at these rows, bit for bit, but for what the cache rounds.
  ///
  /// Shapes: tokens [1, R], R rows of the pass → [1, R, C].
  ///
  /// - Precondition: The cache has the configuration's layers, heads and columns. Nothing is recorded.
  func hiddenStates(_ tokens: Tokens, through pass: CachePass<Scalar>) -> Variable<Scalar>

  /// What the head makes of what it sees: each row by itself.
  ///
  /// Shapes: [..., C] → [..., V].
  func logits(of hidden: Variable<Scalar>) -> Variable<Scalar>

  /// The mean negative log-likelihood of `targets`, in nats.
  ///
  /// Shapes: tokens, `targets`, `positions` and `weights` [B, T] → [].
  ///
  /// - Parameters:
  ///   - positions: Each token's place in its document, 0 where one begins: a token sees its own document only. Nil where
  ///     a row is one text.
  ///   - weights: What each target counts: the mean is over them. Nil where all count the same.
  ///   - ignoring: Targets that do not count.
  ///   - expectedSeed: The seed that `backward` will get: 1, or 1/n where n batches accumulate.
  ///   - passing: Called after each stage.
  func loss(
    _ tokens: Tokens, targets: Tokens, positions: Tokens?, weights: (any Operand<Scalar>)?, ignoring: Int32?,
    expectedSeed: Scalar, passing: (ModelStage) -> Void
  ) -> Variable<Scalar>

  /// The negative log-likelihood of each target, in nats: `loss` is their mean.
  ///
  /// Shapes: tokens, `targets` and `positions` [B, T] → [B, T].
  func losses(
    _ tokens: Tokens, targets: Tokens, positions: Tokens?, passing: (ModelStage) -> Void
  ) -> Variable<Scalar>
}

extension LanguageModel {
  public var tableBytes: Int { 0 }

  public func reserveTables(positions: Int) -> Bool { true }

  /// Shapes: tokens [B, T] → [B, T, V].
  public func logits(_ tokens: Tokens) -> Variable<Scalar> { logits(of: hiddenStates(tokens) { _ in }) }

  /// The loss, passing no stage on; see the requirement.
  public func loss(
    _ tokens: Tokens, targets: Tokens, positions: Tokens? = nil, weights: (any Operand<Scalar>)? = nil,
    ignoring: Int32? = nil, expectedSeed: Scalar = 1
  ) -> Variable<Scalar> {
    loss(
      tokens, targets: targets, positions: positions, weights: weights, ignoring: ignoring, expectedSeed: expectedSeed
    ) { _ in }
  }

  /// The parameters under the names that files and the optimiser's state have for them: what an optimiser is made of.
  public var storedParameters: [NamedParameter<Scalar>] {
    tensors.map { NamedParameter(path: $0.storedName, parameter: $0.parameter) }
  }
}

/// Where a pass through a model stands.
public enum ModelStage: Sendable, Equatable, CustomStringConvertible {
  case embedding
  case block(Int)
  case finalNorm

  public var description: String {
    switch self {
    case .embedding: "embedding"
    case .block(let index): "block \(index)"
    case .finalNorm: "final norm"
    }
  }
}

/// A tensor of a model: what it is, and the parameter that holds it.
public struct ModelTensor<Scalar: TensorScalar> {
  public let description: TensorDescription
  /// What the family's files call it, without what stands before all names: `h.0.attn.c_attn.weight`. The optimiser's
  /// state, the fingerprint and messages about files go by it.
  public let storedName: String
  public let parameter: Parameter<Scalar>

  public init(_ description: TensorDescription, storedName: String, parameter: Parameter<Scalar>) {
    (self.description, self.storedName, self.parameter) = (description, storedName, parameter)
  }
}

/// A tensor that need not exist: its place, shape and role in a model.
public struct TensorDescription: Sendable, Equatable {
  /// What a tensor is for: its first values and its costs follow from it.
  public enum Role: Sendable, Equatable {
    /// A row for each token, or for each position.
    case tokenEmbedding, positionEmbedding
    /// A weight [output, input] of a product.
    case projection
    /// The same, back into the residual stream.
    case residualProjection
    /// [V, C], where it is not the token embedding.
    case head
    case bias
    case normScale, normShift

    /// Whether it is added: a model can do without.
    public var isBias: Bool { self == .bias || self == .normShift }
    /// Whether every token is multiplied with it.
    public var isProductWeight: Bool { self == .projection || self == .residualProjection || self == .head }
  }

  /// The parameter's path in the model: `blocks.0.attention.input.weight`.
  public let path: String
  public let shape: [Int]
  public let role: Role

  public init(_ path: String, _ shape: [Int], _ role: Role) { (self.path, self.shape, self.role) = (path, shape, role) }

  /// How many numbers it has: a Double, since sizes that nobody has checked yet may overflow an Int.
  public var count: Double { shape.reduce(1) { $0 * Double($1) } }
}
