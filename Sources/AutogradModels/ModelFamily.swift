/// A family of decoders: how its files say what a model is, and how they call and lay out its tensors.
///
/// A family is data. Whoever adds one writes a file in `Families/` and a line in `all`; nothing else asks which family a
/// model is of.
public struct ModelFamily: Sendable, Equatable {
  /// As `config.json` names it: `gpt2`.
  public let modelType: String
  /// The class that Hugging Face's transformers has for it.
  public let architecture: String
  /// The biases that a model of it has where it is to have any.
  package let biases: DecoderConfiguration.Biases
  /// What makes a model one of the family: norm, positions, feed-forward, and what a new one has.
  package let setChoices: @Sendable (inout DecoderConfiguration) -> Void
  /// What holds where `config.json` does not say otherwise; on top of the choices.
  package let setDefaults: @Sendable (inout DecoderConfiguration) -> Void
  /// What the family does not allow, though it could be computed.
  package let findProblem: @Sendable (DecoderConfiguration) -> String?
  /// The keys of `config.json`, in the order in which they are written.
  package let keys: [ConfigurationKey]
  /// Keys that other tools write and that change nothing which this library computes.
  package let harmlessKeys: Set<String>
  package let tensors: TensorLayout

  package init(
    modelType: String, architecture: String, biases: DecoderConfiguration.Biases = .all,
    setChoices: @escaping @Sendable (inout DecoderConfiguration) -> Void = { _ in },
    setDefaults: @escaping @Sendable (inout DecoderConfiguration) -> Void = { _ in },
    findProblem: @escaping @Sendable (DecoderConfiguration) -> String? = { _ in nil },
    keys: [ConfigurationKey], harmlessKeys: Set<String>, tensors: TensorLayout
  ) {
    (self.modelType, self.architecture, self.biases, self.keys) = (modelType, architecture, biases, keys)
    (self.setChoices, self.setDefaults, self.findProblem) = (setChoices, setDefaults, findProblem)
    (self.harmlessKeys, self.tensors) = (harmlessKeys, tensors)
  }

  /// Every family that can be opened.
  public static let all: [ModelFamily] = [.gpt2, .llama, .mistral, .qwen2, .qwen3, .arcee, .nanochat]

  /// What a new model is of where nobody chose.
  public static let standard = ModelFamily.gpt2

  /// The family that files call so; nil where there is none.
  public static func named(_ modelType: String) -> ModelFamily? {
    all.first { $0.modelType.hasSameBytes(as: modelType) }
  }

  /// Whether a new model of it has biases where nobody said.
  package var usuallyHasBiases: Bool { DecoderConfiguration(unchecked: self).hasBias }

  /// There is one family of a name.
  public static func == (a: ModelFamily, b: ModelFamily) -> Bool { a.modelType == b.modelType }
}

/// How a family's files call and lay out tensors.
package struct TensorLayout: Sendable {
  /// A part of the model that has a weight, and a bias where the model has any.
  package struct Part: Sendable {
    /// Where it stands in the model or, where that is in a block, in the block: `attention.input`.
    package let path: String
    /// What the files call it: several names where they hold its rows in several tensors.
    package let names: [String]
    /// How many rows each of several tensors has.
    package let rows: (@Sendable (DecoderConfiguration) -> [Int])?
    /// Whether the rows of several tensors alternate in ours: the first of each, the second of each, and so on.
    /// Otherwise they stand one tensor behind the other.
    package let isAlternating: Bool
    /// Whether a matrix lies there as [input, output] instead of [output, input].
    package let isTransposed: Bool
    /// Whether `prefix` does not stand before its name.
    package let isOutsidePrefix: Bool

    package init(
      _ path: String, _ name: String, isTransposed: Bool = false, isOutsidePrefix: Bool = false
    ) {
      (self.path, names, rows) = (path, [name], nil)
      (self.isTransposed, self.isOutsidePrefix, isAlternating) = (isTransposed, isOutsidePrefix, false)
    }

    package init(
      _ path: String, _ names: [String], rows: @escaping @Sendable (DecoderConfiguration) -> [Int],
      isTransposed: Bool = false
    ) {
      (self.path, self.names, self.rows) = (path, names, rows)
      (self.isTransposed, isOutsidePrefix, isAlternating) = (isTransposed, false, false)
    }

    /// A part whose rows alternate: as many of each name.
    package init(_ path: String, alternating names: [String]) {
      (self.path, self.names, rows) = (path, names, nil)
      (isTransposed, isOutsidePrefix, isAlternating) = (false, false, true)
    }
  }

  /// Before every name; files may lack it, and readers accept both.
  package let prefix: String
  /// What stands before a block's number: `h.`.
  package let block: String
  package let parts: [Part]
  /// Ends of names that files carry and no model needs: masks, for example.
  package let ignoredEndings: [String]
  /// Whether files hold biases in any case: those of a model without biases are zeros.
  package let alwaysHasBiases: Bool

  package init(
    prefix: String, block: String, parts: [Part], ignoredEndings: [String] = [], alwaysHasBiases: Bool = false
  ) {
    (self.prefix, self.block, self.parts) = (prefix, block, parts)
    (self.ignoredEndings, self.alwaysHasBiases) = (ignoredEndings, alwaysHasBiases)
  }
}

/// A tensor as it lies in a file: the whole of a model's tensor, or some rows of it.
package struct StoredTensor: Sendable {
  /// With the family's prefix.
  package let name: String
  /// Without it.
  package let shortName: String
  package let shape: [Int]
  /// The row of the model's tensor in which its first row stands, and from each to the next.
  package let firstRow, rowStep: Int
  /// Whether rows and columns are exchanged there.
  package let isTransposed: Bool

  package var count: Int { shape.reduce(1, *) }
  /// Rows and their numbers, as the model's tensor has them.
  package var rowCount: Int { isTransposed ? shape[1] : shape[0] }
  package var rowWidth: Int { isTransposed ? shape[0] : shape.dropFirst().reduce(1, *) }

  /// Where in the model's tensor a row begins.
  package func place(ofRow row: Int) -> Int { (firstRow + row * rowStep) * rowWidth }
}

extension ModelFamily {
  /// What messages, the optimiser's state and the fingerprint call a tensor: its name in files without the prefix; its
  /// path where files hold it in several.
  func storedName(of tensor: TensorDescription) -> String {
    let place = TensorPlace(tensor.path)
    guard let part = part(place), part.names.count == 1 else { return tensor.path }
    return name(part.names[0], place)
  }

  /// The tensors of a file that hold one of the model's.
  package func stored(_ tensor: TensorDescription, _ configuration: DecoderConfiguration) -> [StoredTensor] {
    let place = TensorPlace(tensor.path)
    guard let part = part(place) else { fatalError("the family \(modelType) has no name for \(tensor.path)") }
    let all = tensor.shape[0], count = part.names.count
    let rows = part.rows?(configuration) ?? [Int](repeating: all / count, count: count)
    let isTransposed = part.isTransposed && tensor.shape.count == 2
    var first = 0
    return zip(part.names, rows).enumerated().map { index, named in
      let (name, count) = named, shape = [count] + tensor.shape.dropFirst(), short = self.name(name, place)
      defer { first += count }
      return StoredTensor(
        name: part.isOutsidePrefix ? short : tensors.prefix + short, shortName: short,
        shape: isTransposed ? shape.reversed() : shape, firstRow: part.isAlternating ? index : first,
        rowStep: part.isAlternating ? part.names.count : 1, isTransposed: isTransposed)
    }
  }

  /// The biases that files hold although the model has none: zeros.
  package func zeroBiases(_ configuration: DecoderConfiguration) -> [StoredTensor] {
    guard tensors.alwaysHasBiases, configuration.biases != biases else { return [] }
    var complete = configuration
    complete.biases = biases
    let own = Set(configuration.tensors.map(\.path))
    return complete.tensors.filter { !own.contains($0.path) }.flatMap { stored($0, complete) }
  }

  /// What files may hold although the model has it already: the head, where it is tied to the token embedding.
  package func copies(_ configuration: DecoderConfiguration) -> [(stored: StoredTensor, original: StoredTensor)] {
    guard configuration.head == .tied else { return [] }
    var complete = configuration
    complete.head = .own
    guard let embedding = complete.tensors(of: .tokenEmbedding).first.map({ stored($0, complete) }),
      let head = complete.tensors(of: .head).first.map({ stored($0, complete) })
    else { return [] }
    return Array(zip(head, embedding))
  }

  package func isIgnored(_ name: String) -> Bool { tensors.ignoredEndings.contains { name.hasSuffix($0) } }

  private func part(_ place: TensorPlace) -> TensorLayout.Part? { tensors.parts.first { $0.path == place.part } }

  private func name(_ name: String, _ place: TensorPlace) -> String {
    (place.block.map { "\(tensors.block)\($0)." } ?? "") + name + "." + place.kind
  }
}

/// A parameter's path, taken apart: `blocks.3.attention.input.weight`.
private struct TensorPlace {
  /// 3; nil outside of the blocks.
  let block: String?
  /// `attention.input`
  let part: String
  /// `weight`
  let kind: String

  init(_ path: String) {
    var words = path.split(separator: ".")[...]
    kind = String(words.removeLast())
    if words.first == "blocks", words.count > 2 {
      block = String(words[1])
      words = words.dropFirst(2)
    } else {
      block = nil
    }
    part = words.joined(separator: ".")
  }
}
