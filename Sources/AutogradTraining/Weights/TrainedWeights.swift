public import AutogradBase
public import AutogradModels
public import AutogradNeuralNetwork
public import AutogradEngine
public import AutogradText

/// What a run changes and saves: all weights of a model, or an adapter over a base that stays as it is.
///
/// Trainer, checkpoints and plan go by this alone: whoever adds a kind writes a type.
public protocol TrainedWeights {
  /// The model that computes the loss. Another may recompute, or be one to plan with, of the same weights or of none.
  var model: any LanguageModel<Float> { get set }

  /// What the optimiser is made of and the fingerprint covers, under the names that files have.
  var parameters: [NamedParameter<Float>] { get }

  /// Bytes of all weights that lie in memory, and how many of them have been taken by now.
  var memory: (bytes: Int, taken: Int) { get }

  /// The model under the weights, where those are an adapter.
  var base: AdapterBase? { get }

  /// The files of a folder that others open, as pieces that are made when they are asked for: nothing may be trained
  /// meanwhile.
  ///
  /// - Parameters:
  ///   - type: How each number of a whole model is written.
  ///   - metadata: Strings for the weights' file.
  func files(
    tokenizer: any Tokenizer, type: WeightType, metadata: [(key: String, value: String)]
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)]

  /// Files beside those of `files` by which a folder would be taken for something else.
  var foreignNames: [String] { get }

  /// The files of a checkpoint, from which `load` has every bit: the model's configuration and the tokenizer are among
  /// them.
  func checkpointFiles(
    tokenizer: any Tokenizer, metadata: [(key: String, value: String)]
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)]

  /// Takes over the weights of a checkpoint.
  ///
  /// - Throws: Where files and weights do not fit each other, or the files are damaged.
  func load(from path: String, fileSystem: any FileSystem) throws(LanguageModelError)

  /// What `files` takes of memory while its pieces are made.
  var savingBytes: Int { get }
}

extension TrainedWeights {
  /// Numbers that are trained.
  public var parameterCount: Int { parameters.reduce(0) { $0 + ($1.parameter.isTrainable ? $1.parameter.count : 0) } }

  /// Stops training of some; see `WholeModel`.
  ///
  /// - Throws: `invalidConfiguration`.
  public func freeze(_ frozen: FrozenWeights) throws(TrainingError) {
    guard let whole = self as? WholeModel else {
      throw .invalidConfiguration("under an adapter all weights are frozen")
    }
    try whole.freezeWeights(frozen)
  }

  /// Replaces the files of a folder, each in one moment.
  ///
  /// - Throws: As `files`; `file`.
  public func save(
    to path: String, tokenizer: any Tokenizer, type: WeightType, metadata: [(key: String, value: String)],
    fileSystem: any FileSystem = POSIXFileSystem()
  ) throws(LanguageModelError) {
    let files = try files(tokenizer: tokenizer, type: type, metadata: metadata)
    do throws(FileError) {
      try fileSystem.replaceFiles(files, in: path)
    } catch {
      throw .file(error)
    }
  }

  /// Names of the files, for those who want to know whether they can be written.
  public func fileNames(tokenizer: any Tokenizer) throws(LanguageModelError) -> [String] {
    try files(tokenizer: tokenizer, type: .float32, metadata: []).map(\.name)
  }
}

/// All weights of a model.
public struct WholeModel: TrainedWeights {
  public var model: any LanguageModel<Float>

  public init(_ model: any LanguageModel<Float>) { self.model = model }

  public var parameters: [NamedParameter<Float>] { model.storedParameters }
  public var memory: (bytes: Int, taken: Int) { MemoryOf.parameters(model.parameters) }
  public var base: AdapterBase? { nil }
  public var foreignNames: [String] { AdapterDirectory.fileNames }

  public func files(
    tokenizer: any Tokenizer, type: WeightType, metadata: [(key: String, value: String)]
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)] {
    try ModelDirectory.files(model, tokenizer: tokenizer, weights: type, metadata: metadata)
  }

  public func checkpointFiles(
    tokenizer: any Tokenizer, metadata: [(key: String, value: String)]
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)] {
    try files(tokenizer: tokenizer, type: .float32, metadata: metadata)
  }

  public func load(from path: String, fileSystem: any FileSystem) throws(LanguageModelError) {
    try ModelDirectory(path, fileSystem: fileSystem).load(into: model)
  }

  public var savingBytes: Int { ModelDirectory.savingBytes(model) }
}

/// An adapter over a model that stays as it is, quantised or not: no gradient, no moment and no float32 copy of the model
/// exist.
public struct AdaptedModel: TrainedWeights {
  public var model: any LanguageModel<Float>
  public let adapter: ModelAdapter<Float>
  public let base: AdapterBase?

  /// Attaches the adapter to the model.
  public init(_ model: any LanguageModel<Float>, adapter: ModelAdapter<Float>, base: AdapterBase) {
    (self.model, self.adapter, self.base) = (model, adapter, base)
    adapter.attach(to: model)
  }

  public var parameters: [NamedParameter<Float>] { adapter.parameters }
  public var foreignNames: [String] { ["config.json", "generation_config.json", "model.safetensors"] }

  public var memory: (bytes: Int, taken: Int) {
    let (model, adapter) = (MemoryOf.parameters(model.parameters), MemoryOf.parameters(adapter.parameters))
    return (model.bytes + adapter.bytes, model.taken + adapter.taken)
  }

  public func files(
    tokenizer: any Tokenizer, type: WeightType, metadata: [(key: String, value: String)]
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)] {
    try AdapterDirectory.files(adapter, base: base ?? AdapterBase(path: nil, sha256: nil), metadata: metadata)
  }

  public func checkpointFiles(
    tokenizer: any Tokenizer, metadata: [(key: String, value: String)]
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)] {
    let beside = try ModelDirectory.files(model, tokenizer: tokenizer).filter { !$0.name.hasSuffix(".safetensors") }
    return beside + (try files(tokenizer: tokenizer, type: .float32, metadata: metadata))
  }

  public func load(from path: String, fileSystem: any FileSystem) throws(LanguageModelError) {
    try AdapterDirectory(path, fileSystem: fileSystem).load(into: adapter)
  }

  public var savingBytes: Int { 4 * (adapter.parameters.map { $0.parameter.count * 4 }.max() ?? 0) }
}

private enum MemoryOf {
  /// What values of parameters take, those of stored weights as they are.
  static func parameters(_ parameters: [NamedParameter<Float>]) -> (bytes: Int, taken: Int) {
    parameters.reduce((0, 0)) { sum, named in
      let core = named.parameter.core
      return (sum.0 + max(64, core.valueBytes), sum.1 + core.takenBytes)
    }
  }
}
