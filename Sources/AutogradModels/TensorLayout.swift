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
    /// Those of `names` whose rows stand pair by pair as rotary positions turn them: rows j and j + D/2 of a head of ours
    /// are its rows 2j and 2j + 1 there.
    package let paired: [String]

    package init(
      _ path: String, _ name: String, isTransposed: Bool = false, isOutsidePrefix: Bool = false
    ) {
      (self.path, names, rows, paired) = (path, [name], nil, [])
      (self.isTransposed, self.isOutsidePrefix, isAlternating) = (isTransposed, isOutsidePrefix, false)
    }

    package init(
      _ path: String, _ names: [String], rows: @escaping @Sendable (DecoderConfiguration) -> [Int],
      isTransposed: Bool = false, paired: [String] = []
    ) {
      (self.path, self.names, self.rows, self.paired) = (path, names, rows, paired)
      (self.isTransposed, isOutsidePrefix, isAlternating) = (isTransposed, false, false)
    }

    /// A part whose rows alternate: as many of each name.
    package init(_ path: String, alternating names: [String]) {
      (self.path, self.names, rows, paired) = (path, names, nil, [])
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
  /// D, where the rows of each head stand pair by pair; see `TensorLayout.Part.paired`.
  package let pairedHeadSize: Int?

  package var count: Int { shape.reduce(1, *) }
  /// Rows and their numbers, as the model's tensor has them.
  package var rowCount: Int { isTransposed ? shape[1] : shape[0] }
  package var rowWidth: Int { isTransposed ? shape[0] : shape.dropFirst().reduce(1, *) }

  /// Whether its numbers stand one behind the other in the model's tensor, too, in the same order.
  package var isContiguous: Bool { !isTransposed && rowStep == 1 && pairedHeadSize == nil }

  /// Where in the model's tensor a row begins.
  package func place(ofRow row: Int) -> Int { (firstRow + unpaired(row) * rowStep) * rowWidth }

  private func unpaired(_ row: Int) -> Int {
    guard let size = pairedHeadSize else { return row }
    let inHead = row % size
    return row - inHead + inHead % 2 * (size / 2) + inHead / 2
  }
}

extension TensorLayout {
  /// What the files call a tensor, without the prefix; nil where they hold it in several, or have no name for it.
  func name(of tensor: TensorDescription) -> String? {
    let place = TensorPlace(tensor.path)
    guard let part = part(place), part.names.count == 1 else { return nil }
    return name(part.names[0], place)
  }

  /// The tensors of a file that hold one of the model's.
  package func stored(_ tensor: TensorDescription, _ configuration: DecoderConfiguration) -> [StoredTensor] {
    let place = TensorPlace(tensor.path)
    guard let part = part(place) else {
      fatalError("files of the family \(configuration.family.modelType) have no name for \(tensor.path)")
    }
    let all = tensor.shape[0], count = part.names.count
    let rows = part.rows?(configuration) ?? [Int](repeating: all / count, count: count)
    let isTransposed = part.isTransposed && tensor.shape.count == 2
    var first = 0
    return zip(part.names, rows).enumerated().map { index, named in
      let (name, count) = named, shape = [count] + tensor.shape.dropFirst(), short = self.name(name, place)
      defer { first += count }
      return StoredTensor(
        name: part.isOutsidePrefix ? short : prefix + short, shortName: short,
        shape: isTransposed ? shape.reversed() : shape, firstRow: part.isAlternating ? index : first,
        rowStep: part.isAlternating ? part.names.count : 1, isTransposed: isTransposed,
        pairedHeadSize: part.paired.contains(name) ? configuration.headSize : nil)
    }
  }

  /// The biases that files hold although the model has none: zeros.
  package func zeroBiases(_ configuration: DecoderConfiguration) -> [StoredTensor] {
    let biases = configuration.family.biases
    guard alwaysHasBiases, configuration.biases != biases else { return [] }
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

  package func isIgnored(_ name: String) -> Bool { ignoredEndings.contains { name.hasSuffix($0) } }

  private func part(_ place: TensorPlace) -> TensorLayout.Part? { parts.first { $0.path == place.part } }

  private func name(_ name: String, _ place: TensorPlace) -> String {
    (place.block.map { "\(block)\($0)." } ?? "") + name + "." + place.kind
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
