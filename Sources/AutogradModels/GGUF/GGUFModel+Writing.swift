import AutogradBase
import AutogradEngine
public import AutogradNeuralNetwork
public import AutogradFormats
public import AutogradText

extension GGUFModel {
  /// Writes a model, its tokenizer and its card into a file that llama.cpp and others read, and reads it again: every
  /// number must be the one that was meant.
  ///
  /// The file is replaced in one moment. Vectors and what else llama.cpp wants so are F32 whatever `weights` says, and
  /// rows that its blocks do not divide F16.
  ///
  /// - Throws: `invalidConfiguration` where the family's architecture cannot say what the model is; `nonFiniteWeights`;
  ///   `tokenizer` where such files have no word for it; `file`.
  /// - Complexity: about a million numbers stand in memory beside the model.
  public static func write(
    _ model: any LanguageModel<Float>, tokenizer: any Tokenizer, card: ModelCard = ModelCard(),
    weights: GGUFNumberType = .f32, to path: String, fileSystem: any FileSystem = POSIXFileSystem()
  ) throws(LanguageModelError) {
    let tensors = try written(model, weights)
    for tensor in tensors { try tensor.requireWritable(path) }
    var writer = GGUFWriter(try metadata(of: model, tokenizer, card, weights, tensors, path: path))
    do throws(GGUFError) {
      for tensor in tensors { try writer.add(tensor.name, shape: tensor.shape, as: tensor.type, tensor.numbers) }
    } catch {
      throw .tensorFile(path: path, TensorFileError(error))
    }
    do throws(FileError) {
      try fileSystem.writeAtomically(to: path, pieces: writer.pieces())
    } catch {
      throw .file(error)
    }
    // What was a stream cannot be read again.
    guard fileSystem.exists(path), let destination = try? fileSystem.destination(of: path), case .file = destination else {
      return
    }
    let again = try GGUFModel(path, fileSystem: fileSystem)
    for tensor in tensors { try tensor.requireSame(in: again.file, path) }
    _ = try again.configuration()
  }

  /// The name of a file by the convention that tools take apart: `<base>-<size>-v<version>-<encoding>.gguf`.
  public static func fileName(_ card: ModelCard, parameterCount: Int, weights: GGUFNumberType) -> String {
    let base = (card.name ?? "model").map { $0 == " " || $0 == "/" ? "-" : String($0) }.joined()
    return "\(base)-\(sizeLabel(parameterCount))-v1.0-\(weights.type.name).gguf"
  }

  /// `135M`: two digits at least, thousands, millions, billions or trillions.
  static func sizeLabel(_ count: Int) -> String {
    let units = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")]
    let (unit, letter) = units.first { Double(count) > $0.0 } ?? (1e3, "K")
    let value = Double(count) / unit, tenths = Int(value * 10 + 0.5)
    return (value < 9.5 ? "\(tenths / 10).\(tenths % 10)" : "\(Int(value + 0.5))") + letter
  }

  /// The metadata, in the order in which llama.cpp's converter has it.
  private static func metadata(
    of model: any LanguageModel<Float>, _ tokenizer: any Tokenizer, _ card: ModelCard, _ weights: GGUFNumberType,
    _ tensors: [WrittenTensor], path: String
  ) throws(LanguageModelError) -> GGUFMetadata {
    let configuration = model.configuration
    guard let gguf = configuration.family.gguf else { throw .invalidConfiguration(configuration.unwritableAsGGUF ?? "") }
    let count = model.tensors.reduce(0) { $0 + $1.parameter.count }
    var entries: [GGUFMetadata.Entry] = [
      .init("general.architecture", .string(gguf.architecture)), .init("general.type", .string("model")),
      .init("general.size_label", .string(sizeLabel(count))),
    ]
    entries += card.ggufKeys + configuration.ggufKeys(gguf)
    entries.append(.init("general.file_type", .uint32(weights.fileType)))
    do throws(TextError) {
      entries += try tokenizer.ggufKeys(rows: configuration.vocabularySize)
    } catch {
      throw .tokenizer(path: path, error)
    }
    if let template = card.chatTemplate { entries.append(.init("tokenizer.chat_template", .string(template))) }
    entries.append(.init("general.quantization_version", .uint32(2)))
    return GGUFMetadata(entries)
  }

  /// The tensors of a file, in the order in which they are written.
  private static func written(
    _ model: any LanguageModel<Float>, _ weights: GGUFNumberType
  ) throws(LanguageModelError) -> [WrittenTensor] {
    let configuration = model.configuration
    if let problem = configuration.unwritableAsGGUF { throw .invalidConfiguration(problem) }
    guard let gguf = configuration.family.gguf else { return [] }
    var tensors: [WrittenTensor] = []
    func add(_ stored: StoredTensor, _ numbers: @escaping (Range<Int>) -> [Float]) {
      let type = weights.type(ofShape: stored.shape, staysSingle: gguf.singleParts.contains(stored.name))
      tensors.append(WrittenTensor(name: stored.name, shape: stored.shape, type: type, numbers: numbers))
    }
    for tensor in model.tensors {
      for stored in gguf.tensors.stored(tensor.description, configuration) {
        add(stored) { stored.numbers($0, of: tensor.parameter) }
      }
    }
    for stored in gguf.tensors.zeroBiases(configuration) { add(stored) { [Float](repeating: 0, count: $0.count) } }
    if gguf.writesTiedHead, let embedding = model.tensors.first(where: { $0.description.role == .tokenEmbedding }) {
      for copy in gguf.tensors.copies(configuration) {
        add(copy.stored) { copy.original.numbers($0, of: embedding.parameter) }
      }
    }
    if case .rotary(let rotary) = configuration.positions,
      let factors = RotaryFactors.factors(rotary.scaling, headSize: configuration.headSize, base: rotary.base)
    {
      tensors.append(
        WrittenTensor(name: RotaryFactors.name, shape: [factors.count], type: .f32) { Array(factors[$0]) })
    }
    return tensors
  }
}

/// A tensor that goes into a file.
private struct WrittenTensor {
  let name: String
  let shape: [Int]
  let type: GGUFNumberType
  let numbers: (Range<Int>) -> [Float]

  private var pieces: [Range<Int>] {
    let count = shape.reduce(1, *)
    return stride(from: 0, to: count, by: 1 << 20).map { $0..<min(count, $0 + 1 << 20) }
  }

  /// - Throws: `nonFiniteWeights` with the first number that the type does not hold.
  func requireWritable(_ path: String) throws(LanguageModelError) {
    let largest = type.largest
    for piece in pieces {
      let numbers = numbers(piece)
      if let offset = numbers.firstIndex(where: { !(abs($0) <= largest) }) {
        let index = piece.lowerBound + offset, reason = numbers[offset].isFinite ? ", which \(type.rawValue) cannot hold" : ""
        throw .nonFiniteWeights(path: path, ["\(name) holds \(numbers[offset]) at index \(index)\(reason)"])
      }
    }
  }

  /// - Throws: `weights` where the file has another number than was meant.
  func requireSame(in file: GGUFFile, _ path: String) throws(LanguageModelError) {
    for piece in pieces {
      let meant = type.rounded(numbers(piece)), found: [Float]
      do throws(TensorFileError) {
        found = try file.readFloats(name, piece)
      } catch {
        throw .tensorFile(path: path, error)
      }
      try requireSameNumbers(meant, found, name, from: piece.lowerBound, path)
    }
  }
}

/// Holds numbers that were read again against those that were meant.
///
/// - Parameter first: Where in the tensor they begin.
func requireSameNumbers(
  _ meant: [Float], _ found: [Float], _ name: String, from first: Int, _ path: String
) throws(LanguageModelError) {
  guard let offset = meant.indices.first(where: { meant[$0].bitPattern != found[$0].bitPattern }) else { return }
  throw .weights(
    path: path,
    ["\(name) was written as \(meant[offset]) at index \(first + offset), and reads as \(found[offset]): the disk did not "
      + "keep it"])
}

extension StoredTensor {
  /// Numbers of a stored tensor, from the model's own.
  func numbers(_ elements: Range<Int>, of parameter: Parameter<Float>) -> [Float] {
    // INVARIANT: no step is running; the places of a stored tensor's rows lie inside the parameter, which lives until this
    // returns.
    let values = unsafe parameter.presentValues
    return withExtendedLifetime(parameter) {
      if isContiguous {
        let start = place(ofRow: 0)
        return unsafe Array(values[start + elements.lowerBound..<start + elements.upperBound])
      }
      var numbers: [Float] = []
      numbers.reserveCapacity(elements.count)
      for index in isTransposed ? elements : 0..<0 {
        let (column, row) = index.quotientAndRemainder(dividingBy: rowCount)
        unsafe numbers.append(values[place(ofRow: row) + column])
      }
      if isTransposed { return numbers }
      var (row, column) = elements.lowerBound.quotientAndRemainder(dividingBy: rowWidth)
      while numbers.count < elements.count {
        let count = min(rowWidth - column, elements.count - numbers.count), place = place(ofRow: row) + column
        unsafe numbers += values[place..<place + count]
        (row, column) = (row + 1, 0)
      }
      return numbers
    }
  }
}
