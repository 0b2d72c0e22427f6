import AutogradBase
public import AutogradEngine
public import AutogradNeuralNetwork
import AutogradFormats
public import AutogradText

/// How the numbers of weights are written into a folder. Every one is read.
public enum WeightType: String, Sendable, CaseIterable {
  /// As they are.
  case float32 = "f32"
  /// Rounded to 8 bits of fraction: half the size, for use elsewhere and to begin with.
  case bfloat16 = "bf16"

  /// What config.json calls it.
  var name: String {
    switch self {
    case .float32: "float32"
    case .bfloat16: "bfloat16"
    }
  }
}

extension ModelDirectory {
  /// Writes the model's weights as they are now.
  ///
  /// - Parameters:
  ///   - weights: How each number is written.
  ///   - metadata: Strings for the weights' file.
  /// - Throws: `invalidConfiguration` where the family's files cannot say what the model is; `file`.
  public func save<Scalar: TensorScalar>(
    _ model: any LanguageModel<Scalar>, tokenizer: any Tokenizer, weights: WeightType = .float32,
    metadata: [(key: String, value: String)] = []
  ) throws(LanguageModelError) {
    let files = try ModelDirectory.files(model, tokenizer: tokenizer, weights: weights, metadata: metadata)
    do throws(FileError) {
      try fileSystem.createDirectory(path)
      for one in files { try fileSystem.writeAtomically(to: file(one.name), pieces: one.pieces) }
    } catch {
      throw .file(error)
    }
  }

  /// The files of a directory, the weights last, as pieces that are made when they are asked for: nothing may be
  /// trained meanwhile.
  ///
  /// - Throws: `invalidConfiguration` where the family's files cannot say what the model is.
  public static func files<Scalar: TensorScalar>(
    _ model: any LanguageModel<Scalar>, tokenizer: any Tokenizer, weights: WeightType = .float32,
    metadata: [(key: String, value: String)] = []
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)] {
    if let problem = model.configuration.unwritable { throw .invalidConfiguration(problem) }
    return [
      ("tokenizer.json", CollectionOfOne(tokenizer.tokenizerJSON())),
      ("config.json", CollectionOfOne(model.configuration.json(weights).serialized(pretty: true))),
      ("tokenizer_config.json", CollectionOfOne(tokenizerConfiguration(model.configuration, tokenizer).serialized(pretty: true))),
      ("generation_config.json", CollectionOfOne(generationConfiguration(model.configuration, tokenizer).serialized(pretty: true))),
      ("model.safetensors", try self.weights(of: model, weights, metadata)),
    ]
  }

  /// What `save` takes of memory while it runs: the largest tensor as numbers, turned around, as bytes, and the piece
  /// before it, which is on its way.
  public static func savingBytes<Scalar: TensorScalar>(_ model: any LanguageModel<Scalar>) -> Int {
    4 * (model.tensors.map { $0.parameter.count * 4 }.max() ?? 0)
  }

  /// How transformers continues a text that it was not told more about.
  ///
  /// A bound on prompt and continuation together: one on the continuation alone would let a longer prompt run out of
  /// the positions that the model has.
  private static func generationConfiguration(_ sizes: DecoderConfiguration, _ tokenizer: any Tokenizer) -> JSON {
    let padding = special(.padding, tokenizer) ?? special(.endOfText, tokenizer), end = special(.endOfText, tokenizer)
    let ids = [("eos_token_id", end), ("pad_token_id", padding)]
    return .object(
      [
        JSON.Member("do_sample", .bool(true)), JSON.Member("temperature", .number(0.8)),
        JSON.Member("top_k", .integer(200)), JSON.Member("max_length", .integer(Int64(sizes.contextLength))),
      ] + ids.compactMap { key, token in token.map { JSON.Member(key, .integer(Int64($0.id))) } })
  }

  /// Names the class that takes `tokenizer.json` as it is: without it transformers guesses one by the model, which adds
  /// tokens that the model has no rows for. End and padding are tokens of the vocabulary, for the same reason.
  private static func tokenizerConfiguration(_ sizes: DecoderConfiguration, _ tokenizer: any Tokenizer) -> JSON {
    let padding = special(.padding, tokenizer), end = special(.endOfText, tokenizer)
    let names = [
      ("bos_token", special(.beginningOfText, tokenizer)), ("eos_token", end ?? padding), ("pad_token", padding ?? end),
    ]
    return .object(
      [
        JSON.Member("tokenizer_class", .string("PreTrainedTokenizerFast")),
        JSON.Member("model_max_length", .integer(Int64(sizes.contextLength))),
        JSON.Member("clean_up_tokenization_spaces", .bool(false)),
      ] + names.compactMap { key, token in token.map { JSON.Member(key, .string($0.name)) } })
  }

  private static func special(_ role: SpecialToken.Role, _ tokenizer: any Tokenizer) -> SpecialToken? {
    tokenizer.specialTokens.first { $0.role == role }
  }

  private static func weights<Scalar: TensorScalar>(
    of model: any LanguageModel<Scalar>, _ type: WeightType, _ metadata: [(key: String, value: String)]
  ) throws(LanguageModelError) -> any Sequence<[UInt8]> {
    var writer = SafetensorsWriter()
    let configuration = model.configuration, family = configuration.family
    do throws(SafetensorsError) {
      for (key, value) in metadata { try writer.setMetadata(key, value) }
      for tensor in model.tensors {
        for stored in family.stored(tensor.description, configuration) { try add(tensor, stored, type, to: &writer) }
      }
      for stored in family.zeroBiases(configuration) {
        let zeros = { [Float](repeating: 0, count: stored.count) }
        switch type {
        case .float32: try writer.add(stored.name, shape: stored.shape, zeros)
        case .bfloat16: try writer.addBFloat16(stored.name, shape: stored.shape, zeros)
        }
      }
      return try writer.pieces()
    } catch {
      throw .tensorFile(path: "model.safetensors", TensorFileError(error))
    }
  }

  private static func add<Scalar>(
    _ tensor: ModelTensor<Scalar>, _ stored: StoredTensor, _ type: WeightType, to writer: inout SafetensorsWriter
  ) throws(SafetensorsError) {
    func numbers() -> [Float] {
      // Of a model in Float the cast costs nothing; the conversion, number by number, would.
      let numbers = tensor.parameter.array, floats = numbers as? [Float] ?? numbers.map { Float($0) }
      let part = rows(of: floats, stored)
      return stored.isTransposed ? transpose(part, rows: stored.rowCount, columns: stored.rowWidth) : part
    }
    switch type {
    case .float32: try writer.add(stored.name, shape: stored.shape, numbers)
    case .bfloat16: try writer.addBFloat16(stored.name, shape: stored.shape, numbers)
    }
  }

  /// The rows of a tensor that a stored one holds.
  private static func rows(of floats: [Float], _ stored: StoredTensor) -> [Float] {
    if stored.count == floats.count { return floats }
    let start = stored.place(ofRow: 0), width = stored.rowWidth
    if stored.rowStep == 1 { return Array(floats[start..<start + stored.count]) }
    var part: [Float] = []
    part.reserveCapacity(stored.count)
    for row in 0..<stored.rowCount {
      let place = stored.place(ofRow: row)
      part += floats[place..<place + width]
    }
    return part
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
