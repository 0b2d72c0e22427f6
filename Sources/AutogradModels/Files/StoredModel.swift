public import AutogradBase
public import AutogradEngine
public import AutogradNeuralNetwork
public import AutogradText
import AutogradFormats

/// A model that somebody names: a folder as hub and runs have it, or a file that holds all of one.
public protocol StoredModel: Sendable {
  /// What it was called.
  var path: String { get }

  /// The file that holds its tokenizer.
  var tokenizerPath: String { get }

  /// Sizes and choices alone, which say nothing yet of the weights.
  func configuration() throws(LanguageModelError) -> DecoderConfiguration

  /// The tokenizer alone.
  func tokenizer() throws(LanguageModelError) -> any Tokenizer

  /// Configuration and weights, with numbers of a type. All or nothing: every mismatch is listed in one error.
  ///
  /// - Parameter dropout: What share to drop in training, instead of the configuration's: no weight depends on it.
  func loadModel<Scalar: TensorScalar>(
    as type: Scalar.Type, dropout: Double?
  ) throws(LanguageModelError) -> Decoder<Scalar>

  /// Configuration and weights for generating: the large weights in a form that is as fast to read as it is small. All
  /// or nothing, as above.
  ///
  /// Nothing can be learned through such weights, and only layers and embeddings read them.
  func loadModel(weights: GenerationWeights) throws(LanguageModelError) -> Decoder<Float>

  /// Names, types and shapes of the tensors.
  func summary() throws(LanguageModelError) -> TensorSummary

  /// The files that hold the weights, in order.
  func weightFiles() throws(LanguageModelError) -> [String]

  /// What stands beside the model, and is not computed.
  func card() throws(LanguageModelError) -> ModelCard

  /// The tokens that the model ends a text or an answer with, as its files say; the tokenizer knows one of its own.
  func endTokens() throws(LanguageModelError) -> [Int32]
}

extension StoredModel {
  /// Model and tokenizer. All or nothing: every mismatch is listed in one error.
  public func load<Scalar: TensorScalar>(
    as type: Scalar.Type, dropout: Double? = nil
  ) throws(LanguageModelError) -> (model: Decoder<Scalar>, tokenizer: any Tokenizer) {
    try withTokenizer(try loadModel(as: type, dropout: dropout))
  }

  /// Model and tokenizer for generating; see `loadModel(weights:)`.
  public func load(
    weights: GenerationWeights
  ) throws(LanguageModelError) -> (model: Decoder<Float>, tokenizer: any Tokenizer) {
    try withTokenizer(try loadModel(weights: weights))
  }

  private func withTokenizer<Scalar: TensorScalar>(
    _ model: Decoder<Scalar>
  ) throws(LanguageModelError) -> (model: Decoder<Scalar>, tokenizer: any Tokenizer) {
    let tokenizer = try tokenizer(), ids = tokenizer.vocabularySize, rows = model.configuration.vocabularySize
    guard ids <= rows else {
      throw .configuration(
        path: tokenizerPath,
        "it has \(ids) tokens, but the model's vocabulary has \(rows); take the one saved with the model")
    }
    return (model, tokenizer)
  }

  /// The same, in single precision.
  public func load(
    dropout: Double? = nil
  ) throws(LanguageModelError) -> (model: Decoder<Float>, tokenizer: any Tokenizer) {
    try load(as: Float.self, dropout: dropout)
  }

  /// Configuration and weights, with numbers of a type.
  public func loadModel<Scalar: TensorScalar>(as type: Scalar.Type) throws(LanguageModelError) -> Decoder<Scalar> {
    try loadModel(as: type, dropout: nil)
  }

  /// Configuration and weights in single precision, where the tokenizer is another's business.
  public func loadModel(dropout: Double? = nil) throws(LanguageModelError) -> Decoder<Float> {
    try loadModel(as: Float.self, dropout: dropout)
  }
}

/// A way in which a model is stored: how one is told from others, opened and written.
///
/// Whoever adds one writes a line in `all`.
public struct ModelFormat: Sendable {
  /// As commands call it: `gguf`.
  public let name: String
  /// The types of numbers that it can be written with; the first unless somebody chooses.
  public let weights: [String]
  /// Whether a path leads to one.
  let recognizes: @Sendable (_ path: String, any FileSystem) -> Bool
  let open: @Sendable (_ path: String, any FileSystem) throws(LanguageModelError) -> any StoredModel
  /// Nil where it is only read.
  let write: (@Sendable (ModelCopy, String, String, any FileSystem) throws(LanguageModelError) -> Void)?
  let fileName: @Sendable (ModelCopy, String) -> String?

  /// Every way, in the order in which a path is tried; the last takes what no other does.
  public static let all: [ModelFormat] = [.gguf, .adapter, .directory]

  /// Those that are written, too.
  public static var written: [ModelFormat] { all.filter { $0.write != nil } }

  public static let directory = ModelFormat(
    name: "hf", weights: WeightType.allCases.map(\.rawValue), recognizes: { _, _ in true },
    open: { path, fileSystem throws(LanguageModelError) in ModelDirectory(path, fileSystem: fileSystem) },
    write: { copy, weights, path, fileSystem throws(LanguageModelError) in
      let directory = ModelDirectory(path, fileSystem: fileSystem)
      try directory.write(copy, weights: WeightType(rawValue: weights) ?? .float32)
    }, fileName: { _, _ in nil })

  public static let gguf = ModelFormat(
    name: "gguf", weights: GGUFNumberType.allCases.map(\.rawValue),
    recognizes: { path, fileSystem in
      if path.hasSuffix(".gguf") { return true }
      guard !fileSystem.isDirectory(path), let file = try? fileSystem.openForReading(path), file.byteCount >= 4,
        let start = try? file.read(0..<4)
      else { return false }
      return start == Array("GGUF".utf8)
    },
    open: { path, fileSystem throws(LanguageModelError) in try GGUFModel(path, fileSystem: fileSystem) },
    write: { copy, weights, path, fileSystem throws(LanguageModelError) in
      try GGUFModel.write(
        copy.model, tokenizer: copy.tokenizer, card: copy.card, weights: GGUFNumberType(rawValue: weights) ?? .f32, to: path,
        fileSystem: fileSystem)
    },
    fileName: { copy, weights in
      let count = copy.model.tensors.reduce(0) { $0 + $1.parameter.count }
      return GGUFModel.fileName(copy.card, parameterCount: count, weights: GGUFNumberType(rawValue: weights) ?? .f32)
    })

  /// The way of a name; nil where there is none.
  public static func named(_ name: String) -> ModelFormat? { all.first { $0.name == name } }

  /// Writes a model and reads it again: every number must be the one that was meant.
  ///
  /// - Parameters:
  ///   - weights: One of `weights`; another stops.
  ///   - path: A file, or a folder, in which a format of one file names it by its convention.
  /// - Returns: Where it lies.
  public func write(
    _ copy: ModelCopy, weights: String, to path: String, fileSystem: any FileSystem = POSIXFileSystem()
  ) throws(LanguageModelError) -> String {
    precondition(self.weights.contains(weights), "\(name) files hold no \(weights)")
    var place = path
    if let fileName = fileName(copy, weights), fileSystem.isDirectory(path) || path.hasSuffix("/") {
      do throws(FileError) {
        try fileSystem.createDirectory(path)
      } catch {
        throw .file(error)
      }
      place = (path.hasSuffix("/") ? path : path + "/") + fileName
    }
    try write?(copy, weights, place, fileSystem)
    return place
  }
}

/// A model to be written elsewhere, with all that belongs to it.
public struct ModelCopy {
  public let model: any LanguageModel<Float>
  public let tokenizer: any Tokenizer
  public let card: ModelCard

  public init(_ model: any LanguageModel<Float>, tokenizer: any Tokenizer, card: ModelCard) {
    (self.model, self.tokenizer, self.card) = (model, tokenizer, card)
  }
}

/// Opens a model, however it is stored: a folder of hub or run, or a `.gguf` file.
///
/// - Throws: Where it is a file, what is wrong with its structure; a folder is read when it is asked.
public func openModel(
  _ path: String, fileSystem: any FileSystem = POSIXFileSystem()
) throws(LanguageModelError) -> any StoredModel {
  guard let format = ModelFormat.all.first(where: { $0.recognizes(path, fileSystem) }) else {
    fatalError("the last format takes every path")
  }
  return try format.open(path, fileSystem)
}

extension Decoder {
  /// Takes the memory of all weights, before any of them is read.
  ///
  /// - Throws: `noMemory`.
  func takeMemory() throws(LanguageModelError) {
    guard reserve() else {
      throw .noMemory(byteCount: parameters.reduce(0) { $0 + $1.parameter.count } * MemoryLayout<Scalar>.size)
    }
  }
}

extension StoredModel {
  /// The template that the model was taught conversations by; `none` where nothing beside it says one.
  public func chatTemplate() throws(LanguageModelError) -> ChatTemplateChoice {
    try card().chatTemplate.map { .recognised($0) } ?? .none
  }
}
