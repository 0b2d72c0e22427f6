public import AutogradBase
public import AutogradEngine
public import AutogradText

/// A stored model under adapters: whoever opens it has the model as the adapters make it.
///
/// Loaded as numbers, the adapters are added to the weights; loaded in a form for generating, the weights stay as they lie
/// and the adapters are applied beside them.
public struct AdaptedStoredModel: StoredModel {
  public let base: any StoredModel
  /// Each with what it is multiplied by.
  public let adapters: [(directory: AdapterDirectory, scale: Double)]
  /// Whether other weights will do than those that the adapters were made for.
  private let takesAnyBase: Bool

  /// - Parameter takesAnyBase: An adapter that knows its base by a hash is applied to other weights of the same shapes,
  ///   too: another form of the same model, mostly.
  public init(
    _ base: any StoredModel, _ adapters: [(directory: AdapterDirectory, scale: Double)], takesAnyBase: Bool = false
  ) {
    (self.base, self.adapters, self.takesAnyBase) = (base, adapters, takesAnyBase)
  }

  /// An adapter's folder over the base that it names.
  ///
  /// - Throws: `configuration` where it names none, or none that is there.
  public init(
    opening path: String, fileSystem: any FileSystem = POSIXFileSystem()
  ) throws(LanguageModelError) {
    let directory = AdapterDirectory(path, fileSystem: fileSystem), base = try directory.base().path
    guard let base, fileSystem.exists(base) else {
      let whose = base.map { "over \($0.quotedForMessage), which is not here" } ?? "that does not name its base"
      throw .configuration(path: path, "it is an adapter \(whose); open the base, and give the adapter beside it")
    }
    guard !AdapterDirectory.isAdapter(base, fileSystem: fileSystem) else {
      throw .configuration(
        path: path, "it is an adapter over another adapter, \(base.quotedForMessage); merge that one into its base first")
    }
    self.init(try openModel(base, fileSystem: fileSystem), [(directory, 1)])
  }

  public var path: String { adapters.first?.directory.path ?? base.path }
  public var tokenizerPath: String { base.tokenizerPath }
  public func configuration() throws(LanguageModelError) -> DecoderConfiguration { try base.configuration() }
  public func tokenizer() throws(LanguageModelError) -> any Tokenizer { try base.tokenizer() }
  /// What one adapter's folder holds; of several, what the base does.
  public func summary() throws(LanguageModelError) -> TensorSummary {
    adapters.count == 1 ? try adapters[0].directory.summary() : try base.summary()
  }
  public func weightFiles() throws(LanguageModelError) -> [String] { try base.weightFiles() }
  public func card() throws(LanguageModelError) -> ModelCard { try base.card() }
  public func endTokens() throws(LanguageModelError) -> [Int32] { try base.endTokens() }

  public func loadModel<Scalar: TensorScalar>(
    as type: Scalar.Type, dropout: Double?
  ) throws(LanguageModelError) -> Decoder<Scalar> {
    let model: Decoder<Scalar> = try base.loadModel(as: type, dropout: dropout)
    model.merge(try load(for: model))
    return model
  }

  public func loadModel(weights: GenerationWeights) throws(LanguageModelError) -> Decoder<Float> {
    let model = try base.loadModel(weights: weights)
    model.apply(try load(for: model))
    return model
  }

  private func load<Scalar: TensorScalar>(
    for model: Decoder<Scalar>
  ) throws(LanguageModelError) -> [(adapter: ModelAdapter<Scalar>, scale: Double)] {
    if !takesAnyBase { try requireBase() }
    var loaded: [(adapter: ModelAdapter<Scalar>, scale: Double)] = []
    for (directory, scale) in adapters { loaded.append((try directory.load(for: model), scale)) }
    return loaded
  }

  /// Throws where an adapter knows its base, and this is another.
  private func requireBase() throws(LanguageModelError) {
    var known: [(adapter: String, hash: String)] = []
    for (directory, _) in adapters {
      if let hash = try directory.base().sha256 { known.append((directory.path, hash)) }
    }
    guard !known.isEmpty else { return }
    let own = try base.weightsDigest()
    guard let other = known.first(where: { $0.hash != own }) else { return }
    throw .otherBase(adapter: other.adapter, base: base.path, wanted: other.hash, found: own)
  }
}

extension ModelFormat {
  /// An adapter's folder, over the base that it names.
  static let adapter = ModelFormat(
    name: "adapter", weights: [], recognizes: { AdapterDirectory.isAdapter($0, fileSystem: $1) },
    open: { path, fileSystem throws(LanguageModelError) in
      try AdaptedStoredModel(opening: path, fileSystem: fileSystem)
    }, write: nil, fileName: { _, _ in nil })
}
