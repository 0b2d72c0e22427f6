public import AutogradBase
public import AutogradEngine
import AutogradNeuralNetwork
public import AutogradFormats
public import AutogradText

/// A model in a GGUF file, with its tokenizer.
public struct GGUFModel: StoredModel {
  public let path: String
  public let file: GGUFFile
  /// Worked out once: where a head is like the embedding, both were read to find out.
  private let result: Result<DecoderConfiguration, LanguageModelError>

  /// Opens a file; reads no numbers yet.
  ///
  /// - Throws: `tensorFile`, with the first way in which the file lies; `file`.
  public init(_ path: String, fileSystem: any FileSystem = POSIXFileSystem()) throws(LanguageModelError) {
    let contents: any RandomAccessFile
    do throws(FileError) {
      contents = try fileSystem.openForReading(path)
    } catch {
      throw .file(error)
    }
    let file: GGUFFile
    do throws(GGUFError) {
      file = try GGUFFile(contents)
    } catch {
      if case .file(let problem) = error { throw .file(problem) }
      throw .tensorFile(path: path, .gguf(error))
    }
    self.init(path, file: file)
  }

  /// A file that is open.
  ///
  /// - Parameter path: What errors call it.
  public init(_ path: String, file: GGUFFile) {
    (self.path, self.file) = (path, file)
    result = Result { () throws(LanguageModelError) in try DecoderConfiguration(gguf: file, path: path) }
  }

  public func configuration() throws(LanguageModelError) -> DecoderConfiguration {
    try result.get()
  }

  public var tokenizerPath: String { path }

  public func tokenizer() throws(LanguageModelError) -> any Tokenizer {
    do throws(TextError) {
      return try ggufTokenizer(file.metadata)
    } catch {
      throw .tokenizer(path: path, error)
    }
  }

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
    if let dropout { configuration.dropout = DropoutShares(dropout) }
    if let problem = configuration.problem { throw .invalidConfiguration(problem) }
    guard configuration.isNear(file), let layout = configuration.family.gguf?.tensors else {
      throw .weights(path: path, ["the keys describe a model many times the size of the \(file.tensors.count) tensors here"])
    }
    let model = Decoder<Scalar>(configuration)
    if packing == nil { try model.takeMemory() }
    try StoredWeights(of: model, in: file, layout, path: path, packing: packing).read(.writing)
    return model
  }

  public func summary() -> TensorSummary { TensorSummary(file.tensors) }

  public func weightFiles() -> [String] { [path] }

  public func card() -> ModelCard { ModelCard(file.metadata) }

  /// Of a text, of a turn and of a message, where the keys say them.
  public func endTokens() throws(LanguageModelError) -> [Int32] {
    let vocabularySize = try configuration().vocabularySize
    var ends: [Int32] = []
    for name in ["eos", "eot", "eom"] {
      let key = "tokenizer.ggml.\(name)_token_id"
      guard let value = file.metadata[key] else { continue }
      guard let id = value.intValue, (0..<vocabularySize).contains(id) else {
        throw .configuration(path: path, "\(key) is no id of the vocabulary, which has \(vocabularySize) tokens")
      }
      ends.append(Int32(id))
    }
    return ends
  }
}
