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
  /// Rounded to 10 bits of fraction and 5 of exponent: half the size, and nothing beyond 65504.
  case float16 = "f16"

  /// What config.json calls it.
  var name: String {
    switch self {
    case .float32: "float32"
    case .bfloat16: "bfloat16"
    case .float16: "float16"
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
      try fileSystem.replaceFiles(files, in: path)
    } catch {
      throw .file(error)
    }
  }

  /// Writes a model with all that belongs to it, and reads it again: every number must be the one that was meant.
  ///
  /// - Throws: As `save`; `nonFiniteWeights` where the type cannot hold a number; `weights` where one was not kept.
  func write(_ copy: ModelCopy, weights: WeightType) throws(LanguageModelError) {
    let layout = copy.model.configuration.family.tensors, path = weightsPath
    guard !AdapterDirectory.isAdapter(self.path, fileSystem: fileSystem) else {
      throw .configuration(
        path: self.path, "the folder has an adapter, which would be opened in the model's place; write to another")
    }
    for tensor in copy.model.tensors { try weights.requireWritable(tensor, path) }
    let card = copy.card.files()
    let files = card.map { ($0.name, CollectionOfOne($0.bytes) as any Sequence<[UInt8]>) }
      + (try ModelDirectory.files(copy.model, tokenizer: copy.tokenizer, weights: weights))
    do throws(FileError) {
      try fileSystem.replaceFiles(files, in: self.path)
      // What a model that was here before said of itself does not hold of this one.
      for name in ModelCard.fileNames where !card.contains(where: { $0.name == name }) && fileSystem.exists(file(name)) {
        try fileSystem.remove(file(name))
      }
    } catch {
      throw .file(error)
    }
    let again = try SafetensorsContents(path, fileSystem).tensorFile
    for tensor in copy.model.tensors {
      for stored in layout.stored(tensor.description, copy.model.configuration) {
        for first in stride(from: 0, to: stored.count, by: 1 << 20) {
          let piece = first..<min(stored.count, first + 1 << 20), found: [Float]
          do throws(TensorFileError) {
            found = try again.readFloats(stored.name, piece)
          } catch {
            throw .tensorFile(path: path, error)
          }
          let meant = weights.gguf.rounded(stored.numbers(piece, of: tensor.parameter))
          try requireSameNumbers(meant, found, stored.name, from: first, path)
        }
      }
    }
    _ = try configuration()
    _ = try tokenizer()
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
    let tokenizerConfiguration = JSON.object(
      TokenizerFolder.configuration(tokenizer, contextLength: model.configuration.contextLength))
    return [
      ("tokenizer.json", CollectionOfOne(tokenizer.tokenizerJSON())),
      ("config.json", CollectionOfOne(model.configuration.json(weights).serialized(pretty: true))),
      ("tokenizer_config.json", CollectionOfOne(tokenizerConfiguration.serialized(pretty: true))),
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
        try type.add(stored, to: &writer) { [Float](repeating: 0, count: stored.count) }
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
    try type.add(stored, to: &writer, numbers)
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

extension WeightType {
  /// The same numbers as GGUF has them.
  fileprivate var gguf: GGUFNumberType {
    switch self {
    case .float32: .f32
    case .bfloat16: .bf16
    case .float16: .f16
    }
  }

  fileprivate func requireWritable(_ tensor: ModelTensor<Float>, _ path: String) throws(LanguageModelError) {
    let numbers = tensor.parameter.array, largest = gguf.largest
    guard let index = numbers.firstIndex(where: { !(abs($0) <= largest) }) else { return }
    let reason = numbers[index].isFinite ? ", which \(rawValue) cannot hold" : ""
    throw .nonFiniteWeights(path: path, ["\(tensor.storedName) holds \(numbers[index]) at index \(index)\(reason)"])
  }

  fileprivate func add(
    _ stored: StoredTensor, to writer: inout SafetensorsWriter, _ numbers: @escaping () -> [Float]
  ) throws(SafetensorsError) {
    switch self {
    case .float32: try writer.add(stored.name, shape: stored.shape, numbers)
    case .bfloat16: try writer.addBFloat16(stored.name, shape: stored.shape, numbers)
    case .float16: try writer.addHalf(stored.name, shape: stored.shape, numbers)
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
