import AutogradBase
public import AutogradEngine
public import AutogradNeuralNetwork
import AutogradFormats
public import AutogradText

extension ModelDirectory {
  /// Writes the model's weights as they are now, in float32.
  ///
  /// - Parameter metadata: Strings for the weights' file.
  public func save<Scalar: TensorScalar>(
    _ model: any LanguageModel<Scalar>, tokenizer: any Tokenizer, metadata: [(key: String, value: String)] = []
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
  public static func files<Scalar: TensorScalar>(
    _ model: any LanguageModel<Scalar>, tokenizer: any Tokenizer, metadata: [(key: String, value: String)] = []
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)] {
    [
      ("tokenizer.json", CollectionOfOne(tokenizer.tokenizerJSON())),
      ("config.json", CollectionOfOne(model.configuration.json.serialized(pretty: true))),
      ("tokenizer_config.json", CollectionOfOne(tokenizerConfiguration(model.configuration, tokenizer).serialized(pretty: true))),
      ("generation_config.json", CollectionOfOne(generationConfiguration(model.configuration, tokenizer).serialized(pretty: true))),
      ("model.safetensors", try weights(of: model, metadata)),
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
    of model: any LanguageModel<Scalar>, _ metadata: [(key: String, value: String)]
  ) throws(LanguageModelError) -> any Sequence<[UInt8]> {
    var writer = SafetensorsWriter()
    let configuration = model.configuration, family = configuration.family
    do throws(SafetensorsError) {
      for (key, value) in metadata { try writer.setMetadata(key, value) }
      for tensor in model.tensors {
        for stored in family.stored(tensor.description, configuration) { try add(tensor, stored, to: &writer) }
      }
      for stored in family.zeroBiases(configuration) {
        try writer.add(stored.name, shape: stored.shape, floats: [Float](repeating: 0, count: stored.count))
      }
      return try writer.pieces()
    } catch {
      throw .safetensors(path: "model.safetensors", error)
    }
  }

  private static func add<Scalar>(
    _ tensor: ModelTensor<Scalar>, _ stored: StoredTensor, to writer: inout SafetensorsWriter
  ) throws(SafetensorsError) {
    try writer.add(stored.name, shape: stored.shape) {
      // Of a model in Float the cast costs nothing; the conversion, number by number, would.
      let numbers = tensor.parameter.array, floats = numbers as? [Float] ?? numbers.map { Float($0) }
      let part = stored.count == floats.count ? floats : Array(floats[stored.offset..<stored.offset + stored.count])
      return stored.isTransposed ? transpose(part, rows: stored.shape[1], columns: stored.shape[0]) : part
    }
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
