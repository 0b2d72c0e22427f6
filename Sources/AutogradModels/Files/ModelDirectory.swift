public import AutogradBase
public import AutogradEngine
public import AutogradNeuralNetwork
import AutogradFormats
public import AutogradText

/// A folder that holds a model as Hugging Face's tools expect it: `config.json`, `model.safetensors` (or several files
/// that `model.safetensors.index.json` lists, to be read), `tokenizer.json`, `tokenizer_config.json`,
/// `generation_config.json`.
///
/// Every file is replaced in one moment: a reader finds the old or the new bytes, never half of them.
public struct ModelDirectory: StoredModel {
  public let path: String
  let fileSystem: any FileSystem
  private let tokenizerKinds: [TokenizerKind]
  private let families: [ModelFamily]

  /// - Parameters:
  ///   - tokenizerKinds: The kinds of tokenizers that it may hold.
  ///   - families: The families of models that it may hold.
  public init(
    _ path: String, fileSystem: any FileSystem = POSIXFileSystem(), tokenizerKinds: [TokenizerKind] = TokenizerKind.all,
    families: [ModelFamily] = ModelFamily.all
  ) {
    (self.path, self.fileSystem) = (path, fileSystem)
    (self.tokenizerKinds, self.families) = (tokenizerKinds, families)
  }

  func file(_ name: String) -> String { path + "/" + name }

  // MARK: Reading

  /// Reads the tokenizer alone.
  ///
  /// - Throws: What is wrong with `tokenizer.json`; whether it fits the weights, only `load` can tell.
  public func tokenizer() throws(LanguageModelError) -> any Tokenizer {
    do throws(TextError) {
      return try TokenizerFormat.tokenizer(at: tokenizerPath, fileSystem, kinds: tokenizerKinds)
    } catch {
      switch error {
      case .file(let problem): throw .file(problem)
      case .inside(let path, _, let problem): throw .tokenizer(path: path, problem)
      default: throw .tokenizer(path: tokenizerPath, error)
      }
    }
  }

  /// `tokenizer.json` or, in a folder of GPT-2's time, `vocab.json`, which has `merges.txt` beside it.
  public var tokenizerPath: String {
    let names = ["tokenizer.json", "vocab.json"]
    return file(names.first { fileSystem.exists(file($0)) } ?? names[0])
  }

  /// Reads configuration and weights, with numbers of a type: a model in `Double` holds the file's numbers exactly.
  public func loadModel<Scalar: TensorScalar>(
    as type: Scalar.Type, dropout: Double?
  ) throws(LanguageModelError) -> Decoder<Scalar> {
    try load(dropout: dropout, packing: nil)
  }

  public func loadModel(weights: GenerationWeights) throws(LanguageModelError) -> Decoder<Float> {
    try load(dropout: nil, packing: weights)
  }

  private func load<Scalar: TensorScalar>(
    dropout: Double?, packing: GenerationWeights?
  ) throws(LanguageModelError) -> Decoder<Scalar> {
    var configuration = try configuration()
    if let dropout {
      configuration.dropout = DropoutShares(dropout)
      if let problem = configuration.problem { throw .invalidConfiguration(problem) }
    }
    let (contents, weightsPath) = try openWeights()
    // Making a model, and listing what it lacks, takes time and memory by its configuration. One that is nowhere near
    // its weights is refused for that alone.
    guard configuration.isNear(contents) else {
      throw .weights(
        path: weightsPath,
        ["config.json describes a model many times the size of the \(contents.tensors.count) tensors here"])
    }
    let model = Decoder<Scalar>(configuration)
    if packing == nil { try model.takeMemory() }
    try load(into: model, from: contents, weightsPath, packing: packing)
    return model
  }

  /// Reads sizes and choices alone, which says nothing yet of the weights.
  ///
  /// - Throws: What is wrong with `config.json`, or that it describes no model that this version opens.
  public func configuration() throws(LanguageModelError) -> DecoderConfiguration {
    let bytes = try read("config.json", byteLimit: 1_000_000)
    let json: JSON
    do throws(JSONError) {
      json = try JSON(parsing: bytes)
    } catch {
      throw .json(path: file("config.json"), error)
    }
    return try DecoderConfiguration(json: json, path: file("config.json"), families: families)
  }

  private func read(_ name: String, byteLimit: Int) throws(LanguageModelError) -> [UInt8] {
    do throws(FileError) {
      return try fileSystem.read(file(name), byteLimit: byteLimit)
    } catch {
      throw .file(error)
    }
  }

  /// Reads the weights into a model of the same configuration. All or nothing where the file is at fault: every
  /// mismatch and number that is not finite is listed in one error before a weight is changed. Only where the disk
  /// fails between that and the end are some weights new and others old.
  ///
  /// - Complexity: reads the file twice.
  public func load<Scalar: TensorScalar>(into model: any LanguageModel<Scalar>) throws(LanguageModelError) {
    let (contents, path) = try openWeights()
    let weights = try StoredWeights(of: model, in: contents, model.configuration.family.tensors, path: path)
    try weights.read(.checking)
    try weights.read(.writing)
  }

  /// Reads the weights into a model. Where tensors do not fit, nothing was changed; where numbers are not finite, the
  /// model is of no use.
  ///
  /// - Parameter path: What errors call the file.
  package func load<Scalar: TensorScalar>(
    into model: any LanguageModel<Scalar>, from contents: any TensorFile, _ path: String = "model.safetensors",
    packing: GenerationWeights? = nil
  ) throws(LanguageModelError) {
    try StoredWeights(
      of: model, in: contents, model.configuration.family.tensors, path: path, packing: packing
    ).read(.writing)
  }

  /// The file with all weights or, where there is none, the index over several.
  public var weightsPath: String {
    let single = file("model.safetensors"), index = file(SafetensorsIndex.fileName)
    return !fileSystem.exists(single) && fileSystem.exists(index) ? index : single
  }

  public func weightFiles() throws(LanguageModelError) -> [String] {
    let path = weightsPath
    guard path.hasSuffix(SafetensorsIndex.fileName) else { return [path] }
    return try SafetensorsContents.shardNames(path, fileSystem).map { file($0) }
  }

  /// Whether files lie here that a model's would replace.
  package var holdsModelFiles: Bool {
    ["config.json", "model.safetensors", SafetensorsIndex.fileName].contains {
      fileSystem.exists(file($0)) && !fileSystem.isDirectory(file($0))
    }
  }

  /// Names, types and shapes of the tensors.
  public func summary() throws(LanguageModelError) -> TensorSummary {
    try TensorSummary(path: weightsPath, fileSystem: fileSystem)
  }

  /// Name, licence and chat template, where files beside the model say them.
  public func card() -> ModelCard {
    var card = ModelCard(folder: path, fileSystem)
    if card.name == nil, let own = path.split(separator: "/").last, own != ".", own != ".." { card.name = String(own) }
    return card
  }

  /// What `generation_config.json` has under `eos_token_id`, one id or several; nothing where there is no such file.
  public func endTokens() throws(LanguageModelError) -> [Int32] {
    let name = "generation_config.json", path = file(name)
    guard fileSystem.exists(path) else { return [] }
    let bytes = try read(name, byteLimit: 1_000_000), json: JSON
    do throws(JSONError) { json = try JSON(parsing: bytes) } catch { throw .json(path: path, error) }
    guard let value = json["eos_token_id"], !value.isNull else { return [] }
    let vocabularySize = try configuration().vocabularySize
    return try (value.arrayValue ?? [value]).map { id throws(LanguageModelError) in
      guard let id = id.intValue, (0..<vocabularySize).contains(id) else {
        throw .configuration(
          path: path, "eos_token_id is no id, or list of ids, of the vocabulary, which has \(vocabularySize) tokens")
      }
      return Int32(id)
    }
  }

  private func openWeights() throws(LanguageModelError) -> (contents: any TensorFile, path: String) {
    let path = weightsPath
    do throws(LanguageModelError) {
      return (try SafetensorsContents(path, fileSystem).tensorFile, path)
    } catch {
      if let problem = otherWeights { throw .configuration(path: self.path, problem) }
      throw error
    }
  }

  /// Where there is no `model.safetensors`: what holds the weights instead, and what to do.
  private var otherWeights: String? {
    guard !fileSystem.exists(weightsPath) else { return nil }
    let advice = "open the folder with transformers and save it again, with save_pretrained"
    for (name, kind) in [
      ("pytorch_model.bin", "pickled, which is code"), ("pytorch_model.bin.index.json", "pickled, which is code"),
      ("tf_model.h5", "TensorFlow's"), ("flax_model.msgpack", "Flax's"), ("adapter_model.safetensors", "an adapter's"),
    ] where fileSystem.exists(file(name)) {
      return "its weights are \(kind) (\(name)), and this version reads model.safetensors; convert them: \(advice)"
    }
    return nil
  }
}

extension DecoderConfiguration {
  /// Whether a file could be this model's with mistakes in it: a model's numbers are at most a few times the file's.
  func isNear(_ contents: any TensorFile) -> Bool {
    let held = contents.tensors.reduce(0.0) { $0 + Double($1.elementCount) }
    return numberCount <= 4 * held + 65536
  }
}
