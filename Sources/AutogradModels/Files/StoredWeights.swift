import AutogradBase
import AutogradEngine
import AutogradFormats

/// The tensors of a file that hold a model's weights, matched by name and shape.
///
/// Every tensor of the file is used, equal to one that is used, known to be harmless, or named in the error.
struct StoredWeights<Scalar: TensorScalar> {
  /// A tensor of the model, or some rows of it, and where it lies.
  private struct Match {
    let parameter: Parameter<Scalar>
    let stored: StoredTensor
    /// What the file calls it.
    let name: String
  }

  private let contents: any TensorFile
  private let path: String
  private var matches: [Match] = []
  /// Tensors that the model does without, so that they must hold zeros.
  private var zeros: [String] = []
  /// Tensors that the model has once and the file twice, so that both must be equal.
  private var copies: [(name: String, original: String)] = []

  /// Matches names and shapes; reads no number.
  ///
  /// - Throws: `weights`, with everything that is missing, unexpected, of another shape or no real numbers.
  init(
    of model: any LanguageModel<Scalar>, in contents: any TensorFile, path: String
  ) throws(LanguageModelError) {
    (self.contents, self.path) = (contents, path)
    let configuration = model.configuration, family = configuration.family
    var comparison = TensorComparison(contents)
    for tensor in model.tensors {
      for stored in family.stored(tensor.description, configuration) {
        guard let name = StoredWeights.take(stored, contents, &comparison) else { continue }
        matches.append(Match(parameter: tensor.parameter, stored: stored, name: name))
      }
    }
    for stored in family.zeroBiases(configuration) where StoredWeights.name(of: stored, contents) != nil {
      if let name = StoredWeights.take(stored, contents, &comparison) { zeros.append(name) }
    }
    for copy in family.copies(configuration) where StoredWeights.name(of: copy.stored, contents) != nil {
      guard let name = StoredWeights.take(copy.stored, contents, &comparison) else { continue }
      guard let original = StoredWeights.name(of: copy.original, contents) else { continue }
      copies.append((name, original))
    }
    comparison.noteRest(except: family.isIgnored)
    guard !comparison.problems.isEmpty else { return }
    if let wrapping = WrappedNames(
      contents.tensors.map(\.name), prefix: family.tensors.prefix, wanted: matches.isEmpty)
    {
      throw .weights(path: path, [wrapping.sentence])
    }
    throw .weights(path: path, comparison.problems)
  }

  private static func names(_ stored: StoredTensor) -> [String] { [stored.name, stored.shortName] }

  private static func name(of stored: StoredTensor, _ contents: any TensorFile) -> String? {
    names(stored).first { contents.tensor($0) != nil }
  }

  private static func take(
    _ stored: StoredTensor, _ contents: any TensorFile, _ comparison: inout TensorComparison
  ) -> String? {
    guard let name = comparison.take(names(stored), stored.shortName, shape: stored.shape) else { return nil }
    if let dtype = contents.tensor(name)?.dtype, !dtype.isReal {
      comparison.note("\(name) is \(dtype.name), expected real numbers")
      return nil
    }
    return name
  }

  // MARK: Numbers

  /// Reads every tensor, in pieces of about a million numbers, so that a model never stands in memory twice.
  ///
  /// - Parameter writing: False only reads, for the errors.
  /// - Throws: `nonFiniteWeights`, with the first such number of every tensor; `weights`, where a tensor that the model does
  ///   without would have made a difference.
  func read(writing: Bool) throws(LanguageModelError) {
    var problems: [String] = [], differences: [String] = []
    do throws(TensorFileError) {
      for match in matches {
        guard let (index, value) = try read(match, writing: writing) else { continue }
        problems.append("\(match.stored.shortName) holds \(value) at index \(index)")
      }
      for name in zeros {
        guard let (index, value) = try first(of: name, where: { _, value in value != 0 }) else { continue }
        differences.append("\(name) holds \(value) at index \(index), although config.json says that there are no biases")
      }
      for (name, original) in copies {
        guard let (index, value) = try firstDifference(name, original) else { continue }
        differences.append(
          "\(name) differs from \(original) at index \(index) (\(value)), although config.json ties them; "
            + "set \"tie_word_embeddings\" to false to use it, or remove it")
      }
    } catch {
      if case .file(let problem) = error { throw .file(problem) }
      throw .tensorFile(path: path, error)
    }
    if !differences.isEmpty { throw .weights(path: path, differences) }
    if !problems.isEmpty { throw .nonFiniteWeights(path: path, problems) }
  }

  private func numbers(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [Scalar] {
    switch Scalar.elementType {
    case .float32: try contents.readFloats(name, elements).map { Scalar($0) }
    case .float64: try contents.readDoubles(name, elements).map { Scalar($0) }
    }
  }

  private func pieces(_ count: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: 1 << 20).map { $0..<min(count, $0 + 1 << 20) }
  }

  private func first(
    of name: String, where isWrong: (Int, Scalar) -> Bool
  ) throws(TensorFileError) -> (index: Int, value: Scalar)? {
    for range in pieces(contents.tensor(name)?.elementCount ?? 0) {
      for (index, value) in zip(range, try numbers(name, range)) where isWrong(index, value) { return (index, value) }
    }
    return nil
  }

  private func firstDifference(
    _ name: String, _ original: String
  ) throws(TensorFileError) -> (index: Int, value: Scalar)? {
    for range in pieces(contents.tensor(name)?.elementCount ?? 0) {
      let own = try numbers(name, range), other = try numbers(original, range)
      // NaN is named elsewhere, and is no difference.
      if let offset = own.indices.first(where: { own[$0] != other[$0] && !(own[$0].isNaN && other[$0].isNaN) }) {
        return (range.lowerBound + offset, own[offset])
      }
    }
    return nil
  }

  /// - Returns: The first number in the file that is not finite, and where it stands there.
  private func read(_ match: Match, writing: Bool) throws(TensorFileError) -> (index: Int, value: Scalar)? {
    let stored = match.stored
    for range in pieces(stored.count) {
      let piece = try numbers(match.name, range)
      if let offset = piece.firstIndex(where: { !$0.isFinite }) { return (range.lowerBound + offset, piece[offset]) }
      if writing { write(piece, at: range.lowerBound, stored, match.parameter) }
    }
    return nil
  }

  /// Writes a piece of a stored tensor to where it belongs.
  private func write(_ piece: [Scalar], at first: Int, _ stored: StoredTensor, _ parameter: Parameter<Scalar>) {
    // INVARIANT: no step is running on a model that is being loaded; the rows of the stored tensors of a parameter are
    // rows of it, so that every place lies below its count.
    let values = unsafe parameter.currentValues
    if !stored.isTransposed, stored.rowStep == 1 {
      let start = stored.place(ofRow: 0) + first
      for (offset, value) in piece.enumerated() { unsafe values[start + offset] = value }
      return
    }
    guard stored.isTransposed else {
      var (row, column) = first.quotientAndRemainder(dividingBy: stored.rowWidth)
      for value in piece {
        unsafe values[stored.place(ofRow: row) + column] = value
        column += 1
        if column == stored.rowWidth { (row, column) = (row + 1, 0) }
      }
      return
    }
    let rows = stored.rowCount
    // Element i of a stored [columns, rows] matrix stands in row i mod rows, column i / rows of ours.
    for (offset, value) in piece.enumerated() {
      let (column, row) = (first + offset).quotientAndRemainder(dividingBy: rows)
      unsafe values[stored.place(ofRow: row) + column] = value
    }
  }
}

/// Names of tensors that a wrapper around a model left behind, where nothing else is wrong with them.
private struct WrappedNames {
  let sentence: String

  /// - Parameters:
  ///   - prefix: The family's own.
  ///   - wanted: Whether no tensor was found under its own name.
  init?(_ names: [String], prefix own: String, wanted: Bool) {
    let wrappers = [
      ("_orig_mod.", "torch.compile's"), ("module.", "DataParallel's"), ("_fsdp_wrapped_module.", "FSDP's"),
      ("base_model.model.", "PEFT's"), ("model.", "a trainer's"),
    ]
    guard wanted, let first = names.first,
      let (prefix, whose) = wrappers.first(where: { first.hasPrefix($0.0) && $0.0 != own }),
      names.allSatisfy({ $0.hasPrefix(prefix) })
    else { return nil }
    sentence =
      "all \(names.count) names begin with \"\(prefix)\", which is \(whose): save the model inside of it, or rename "
      + "\(first.quotedForMessage) to \(String(first.dropFirst(prefix.count)).quotedForMessage) and so on"
  }
}
