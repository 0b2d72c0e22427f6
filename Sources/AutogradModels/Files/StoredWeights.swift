import AutogradBase
import AutogradEngine
import AutogradFormats

/// The tensors of a file that hold a model's weights, matched by name and shape.
///
/// Every tensor of the file is used, equal to one that is used, known to be harmless, or named in the error.
struct StoredWeights<Scalar: TensorScalar> {
  /// A tensor of the model, or some rows of it, and where it lies.
  struct Match {
    let parameter: Parameter<Scalar>
    let stored: StoredTensor
    /// What the file calls it.
    let name: String
  }

  let contents: any TensorFile
  let path: String
  private(set) var matches: [Match] = []
  /// Tensors that are kept as stored weights; their matches stand there.
  private(set) var packed: [PackedTensor<Scalar>] = []
  /// Tensors that the model does without, so that they must hold zeros.
  private(set) var zeros: [String] = []
  /// Tensors that the model has once and the file twice, so that both must be equal.
  private(set) var copies: [(name: String, original: String)] = []

  /// Matches names and shapes; reads no number.
  ///
  /// - Parameters:
  ///   - layout: How the file calls and lays out the tensors.
  ///   - packing: The form in which large weights are kept; nil for numbers that can be learned.
  /// - Throws: `weights`, with everything that is missing, unexpected, of another shape or no real numbers.
  init(
    of model: any LanguageModel<Scalar>, in contents: any TensorFile, _ layout: TensorLayout, path: String,
    packing: GenerationWeights? = nil
  ) throws(LanguageModelError) {
    (self.contents, self.path) = (contents, path)
    let configuration = model.configuration
    var comparison = TensorComparison(contents)
    for tensor in model.tensors {
      var found: [Match] = []
      for stored in layout.stored(tensor.description, configuration) {
        guard let name = StoredWeights.take(stored, contents, &comparison) else { continue }
        found.append(Match(parameter: tensor.parameter, stored: stored, name: name))
      }
      guard let packing, tensor.description.role.isPacked, tensor.description.shape.count == 2 else {
        matches += found
        continue
      }
      let encodings = found.compactMap { contents.tensor($0.name)?.encoding }
      let format = packing.format(of: encodings, inputs: tensor.description.shape[1])
      packed.append(PackedTensor(parameter: tensor.parameter, format: format, matches: found))
    }
    for stored in layout.zeroBiases(configuration) where StoredWeights.name(of: stored, contents) != nil {
      if let name = StoredWeights.take(stored, contents, &comparison) { zeros.append(name) }
    }
    for copy in layout.copies(configuration) where StoredWeights.name(of: copy.stored, contents) != nil {
      guard let name = StoredWeights.take(copy.stored, contents, &comparison) else { continue }
      guard let original = StoredWeights.name(of: copy.original, contents) else { continue }
      copies.append((name, original))
    }
    comparison.noteRest(except: layout.isIgnored)
    guard !comparison.problems.isEmpty else { return }
    if let wrapping = WrappedNames(
      contents.tensors.map(\.name), prefix: layout.prefix, wanted: matches.isEmpty)
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
    if let encoding = contents.tensor(name)?.encoding, !encoding.isReal {
      comparison.note("\(name) is \(encoding.name), expected real numbers")
      return nil
    }
    return name
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
