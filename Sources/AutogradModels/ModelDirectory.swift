public import AutogradEngine
public import AutogradBase
import AutogradFormats
import AutogradNeuralNetwork
public import AutogradText

/// A folder that holds a model as Hugging Face's tools expect it: `config.json`, `model.safetensors`,
/// `tokenizer.json`, `generation_config.json`.
///
/// Every file is replaced in one moment: a reader finds the old or the new bytes, never half of them.
public struct ModelDirectory: Sendable {
  public let path: String
  private let fileSystem: any FileSystem
  private let tokenizerKinds: [TokenizerKind]

  /// - Parameter tokenizerKinds: The kinds of tokenizers that it may hold.
  public init(
    _ path: String, fileSystem: any FileSystem = POSIXFileSystem(), tokenizerKinds: [TokenizerKind] = TokenizerKind.all
  ) {
    (self.path, self.fileSystem, self.tokenizerKinds) = (path, fileSystem, tokenizerKinds)
  }

  private func file(_ name: String) -> String { path + "/" + name }

  // MARK: Writing

  /// Writes the model's weights as they are now, in float32.
  ///
  /// - Parameter metadata: Strings for the weights' file.
  public func save<Scalar>(
    _ model: GPT<Scalar>, tokenizer: any Tokenizer, metadata: [(key: String, value: String)] = []
  ) throws(LanguageModelError) {
    let files = try ModelDirectory.files(model, tokenizer: tokenizer, metadata: metadata)
    do throws(FileError) {
      try fileSystem.createDirectory(path)
      for one in files { try fileSystem.writeAtomically(to: file(one.name), pieces: one.pieces) }
    } catch {
      throw .file(error)
    }
  }

  /// The files of a directory, the weights last, as pieces that are made when they are asked for: nothing may be
  /// trained meanwhile.
  public static func files<Scalar>(
    _ model: GPT<Scalar>, tokenizer: any Tokenizer, metadata: [(key: String, value: String)] = []
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)] {
    [
      ("tokenizer.json", CollectionOfOne(tokenizer.tokenizerJSON())),
      ("config.json", CollectionOfOne(model.configuration.json.serialized(pretty: true))),
      ("generation_config.json", CollectionOfOne(generationConfiguration.serialized(pretty: true))),
      ("model.safetensors", try weights(of: model, metadata)),
    ]
  }

  /// What `save` takes of memory while it runs: the largest tensor as numbers, turned around, as bytes, and the piece
  /// before it, which is on its way.
  public static func savingBytes<Scalar>(_ model: GPT<Scalar>) -> Int {
    4 * (model.parameters.map { $0.parameter.count * 4 }.max() ?? 0)
  }

  private static var generationConfiguration: JSON {
    .object([
      JSON.Member("do_sample", .bool(true)), JSON.Member("temperature", .number(0.8)),
      JSON.Member("top_k", .integer(200)), JSON.Member("max_new_tokens", .integer(500)),
    ])
  }

  private static func weights<Scalar>(
    of model: GPT<Scalar>, _ metadata: [(key: String, value: String)]
  ) throws(LanguageModelError) -> any Sequence<[UInt8]> {
    var writer = SafetensorsWriter()
    do throws(SafetensorsError) {
      for (key, value) in metadata { try writer.setMetadata(key, value) }
      for named in model.parameters { try add(named, to: &writer) }
      if !model.configuration.hasBias {
        for bias in GPTWeightNames.biases(model.configuration) {
          try writer.add(
            GPTWeightNames.stored(bias.path), shape: [bias.count], floats: [Float](repeating: 0, count: bias.count))
        }
      }
      return try writer.pieces()
    } catch {
      throw .safetensors(path: "model.safetensors", error)
    }
  }

  private static func add<Scalar>(
    _ named: NamedParameter<Scalar>, to writer: inout SafetensorsWriter
  ) throws(SafetensorsError) {
    let isTransposed = GPTWeightNames.isTransposed(named.path), shape = named.parameter.shape
    try writer.add(GPTWeightNames.stored(named.path), shape: isTransposed ? shape.reversed() : shape) {
      // Of a model in Float the cast costs nothing; the conversion, number by number, would.
      let numbers = named.parameter.array, floats = numbers as? [Float] ?? numbers.map { Float($0) }
      return isTransposed ? transpose(floats, rows: shape[0], columns: shape[1]) : floats
    }
  }

  // MARK: Reading

  /// Reads configuration, weights and tokenizer. All or nothing: every mismatch is listed in one error.
  ///
  /// - Parameter dropout: What share to drop in training, instead of the configuration's: no weight depends on it.
  public func load(
    dropout: Double? = nil
  ) throws(LanguageModelError) -> (model: GPT<Float>, tokenizer: any Tokenizer) {
    let model = try loadModel(dropout: dropout), tokenizer = try tokenizer()
    let ids = tokenizer.vocabularySize, rows = model.configuration.vocabularySize
    guard ids <= rows else {
      throw .configuration(
        path: file("tokenizer.json"),
        "it has \(ids) tokens, but the model's vocabulary has \(rows); take the one saved with the model")
    }
    return (model, tokenizer)
  }

  /// Reads the tokenizer alone.
  ///
  /// - Throws: What is wrong with `tokenizer.json`; whether it fits the weights, only `load` can tell.
  public func tokenizer() throws(LanguageModelError) -> any Tokenizer {
    let bytes = try read("tokenizer.json", byteLimit: 100_000_000)
    do throws(TextError) {
      return try readTokenizer(bytes, kinds: tokenizerKinds)
    } catch {
      throw .tokenizer(path: file("tokenizer.json"), error)
    }
  }

  /// Reads configuration and weights, where the tokenizer is another's business.
  ///
  /// - Parameter dropout: As for `load`.
  public func loadModel(dropout: Double? = nil) throws(LanguageModelError) -> GPT<Float> {
    var configuration = try configuration()
    if let dropout {
      configuration.dropout = dropout
      if let problem = configuration.problem { throw .invalidConfiguration(problem) }
    }
    let contents = try openWeights()
    // Making a model, and listing what it lacks, takes time and memory by its configuration. One that is nowhere near
    // its weights is refused for that alone.
    guard configuration.isNear(contents) else {
      throw .weights(
        path: file("model.safetensors"),
        ["config.json describes a model many times the size of the \(contents.names.count) tensors here"])
    }
    let model = GPT<Float>(configuration)
    try load(into: model, from: contents)
    return model
  }

  /// Reads the sizes alone, which says nothing yet of the weights.
  ///
  /// - Throws: What is wrong with `config.json`, or that its sizes make no model that this version opens.
  public func configuration() throws(LanguageModelError) -> GPTConfiguration {
    let bytes = try read("config.json", byteLimit: 1_000_000)
    let json: JSON
    do throws(JSONError) {
      json = try JSON(parsing: bytes)
    } catch {
      throw .json(path: file("config.json"), error)
    }
    return try GPTConfiguration(json: json, path: file("config.json"))
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
  public func load(into model: GPT<Float>) throws(LanguageModelError) {
    let contents = try openWeights()
    try load(into: model, from: contents, writing: false)
    try load(into: model, from: contents)
  }

  private func openWeights() throws(LanguageModelError) -> SafetensorsFile {
    let path = file("model.safetensors"), source: any RandomAccessFile
    do throws(FileError) {
      source = try fileSystem.openForReading(path)
    } catch {
      throw .file(error)
    }
    do throws(SafetensorsError) {
      return try SafetensorsFile(source)
    } catch {
      throw .safetensors(path: path, error)
    }
  }

  /// Reads the weights into a model. Where tensors do not fit, nothing was changed; where numbers are not finite, the
  /// model is of no use.
  ///
  /// - Parameter writing: False only reads, for the errors.
  package func load(
    into model: GPT<Float>, from contents: SafetensorsFile, writing: Bool = true
  ) throws(LanguageModelError) {
    let path = file("model.safetensors")
    let problems = mismatches(model, contents)
    if !problems.isEmpty { throw .weights(path: path, problems) }
    var places: [String] = []
    do throws(SafetensorsError) {
      for named in model.parameters {
        guard let (index, value) = try set(named, from: contents, writing: writing) else { continue }
        places.append("\(named.path) holds \(value) at index \(index)")
      }
    } catch {
      throw .safetensors(path: path, error)
    }
    if !places.isEmpty { throw .nonFiniteWeights(path: path, places) }
  }

  /// Reads a parameter in pieces of about a million numbers, so that a model never stands in memory twice.
  ///
  /// - Returns: The first number in the file that is not finite, and where it stands there.
  private func set(
    _ named: NamedParameter<Float>, from contents: SafetensorsFile, writing: Bool
  ) throws(SafetensorsError) -> (index: Int, value: Float)? {
    let name = entry(named.path, contents)?.name ?? named.path, count = named.parameter.count
    let isTransposed = GPTWeightNames.isTransposed(named.path)
    let rows = isTransposed ? named.parameter.shape[0] : 1, columns = isTransposed ? named.parameter.shape[1] : count
    for first in stride(from: 0, to: count, by: 1 << 20) {
      let piece = try contents.floats(name, elements: first..<min(count, first + 1 << 20))
      if let offset = piece.firstIndex(where: { !$0.isFinite }) { return (first + offset, piece[offset]) }
      if !writing { continue }
      // INVARIANT: no step is running on a model that is being loaded; indices lie below `count`.
      let values = unsafe named.parameter.currentValues
      if isTransposed {
        // Element i of a stored [columns, rows] matrix is element (i mod rows, i / rows) of ours.
        for (offset, value) in piece.enumerated() {
          let index = first + offset
          unsafe values[index % rows * columns + index / rows] = value
        }
      } else {
        for (offset, value) in piece.enumerated() { unsafe values[first + offset] = value }
      }
    }
    return nil
  }

  /// A parameter's tensor, with or without the prefix.
  private func entry(_ path: String, _ contents: SafetensorsFile) -> SafetensorsHeader.Entry? {
    contents.entry(GPTWeightNames.stored(path)) ?? contents.entry(path)
  }

  /// Every tensor that is missing, unexpected or of another shape, in words.
  private func mismatches(_ model: GPT<Float>, _ contents: SafetensorsFile) -> [String] {
    var problems: [String] = [], known: Set<ExactString> = []
    for named in model.parameters {
      guard let entry = entry(named.path, contents) else {
        problems.append("\(named.path) is missing")
        continue
      }
      known.insert(ExactString(entry.name))
      let shape = GPTWeightNames.isTransposed(named.path) ? named.parameter.shape.reversed() : named.parameter.shape
      if !entry.dtype.isReal { problems.append("\(entry.name) is \(entry.dtype.name), expected real numbers") }
      if entry.shape != shape { problems.append("\(entry.name) has shape \(entry.shape), expected \(shape)") }
    }
    if !model.configuration.hasBias {
      for bias in GPTWeightNames.biases(model.configuration) {
        if let entry = entry(bias.path, contents) { known.insert(ExactString(entry.name)) }
      }
    }
    for name in contents.names where !known.contains(ExactString(name)) && !GPTWeightNames.isIgnored(name) {
      problems.append("\(name.quotedForMessage) is unexpected")
    }
    return problems
  }
}

extension GPTConfiguration {
  /// Whether a file could be this model's with mistakes in it: a model's numbers are at most a few times the file's.
  fileprivate func isNear(_ contents: SafetensorsFile) -> Bool {
    let held = contents.header.entries.reduce(0.0) { $0 + Double($1.elementCount) }
    return numberCount <= 4 * held + 65536
  }
}

/// Rows and columns exchanged: [rows, columns] → [columns, rows].
private func transpose(_ elements: [Float], rows: Int, columns: Int) -> [Float] {
  unsafe [Float](unsafeUninitializedCapacity: elements.count) { target, count in
    for row in 0..<rows {
      // row · columns + column < rows · columns, which is the count of both.
      for column in 0..<columns { unsafe target[column * rows + row] = elements[row * columns + column] }
    }
    count = elements.count
  }
}
