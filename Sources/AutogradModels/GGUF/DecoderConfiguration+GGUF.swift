import AutogradBase
import AutogradFormats

/// The keys of a GGUF file: which there are and what they mean is the family's business.
extension DecoderConfiguration {
  /// Reads the configuration of a model in a GGUF file, of any of the families.
  ///
  /// Every key of the architecture is known to the family, known to be harmless, or refused by name. Where several
  /// families are one architecture there, the first counts that knows every key.
  ///
  /// - Throws: `configuration`, with the first key that is missing, of the wrong kind, out of bounds or unknown.
  package init(
    gguf file: GGUFFile, path: String, families: [ModelFamily] = ModelFamily.all
  ) throws(LanguageModelError) {
    func refused(_ problem: String) -> LanguageModelError { .configuration(path: path, problem) }
    if let type = file.metadata["general.type"], type != .string("model") {
      throw refused("it holds the type \(type.short), not a model; name the model's own file")
    }
    guard let architecture = file.metadata["general.architecture"]?.stringValue else {
      throw refused("the key \"general.architecture\" is missing or no string; get the file again")
    }
    let candidates = families.filter { $0.gguf?.architecture.hasSameBytes(as: architecture) == true }
    guard !candidates.isEmpty else {
      let known = families.compactMap(\.gguf?.architecture).reduce(into: [String]()) { names, name in
        if !names.contains(name) { names.append(name) }
      }
      throw refused(
        "its architecture is \(architecture.quotedForMessage); this version opens \(ConfigurationKey.listed(known))")
    }
    let description = GGUFDescription(architecture, file.metadata, file)
    var refusal: LanguageModelError?
    for family in candidates {
      do throws(LanguageModelError) {
        try self.init(description, of: family, path: path)
        return
      } catch {
        refusal = refusal ?? error
      }
    }
    throw refusal ?? refused("no family takes it")
  }

  private init(
    _ file: GGUFDescription, of family: ModelFamily, path: String
  ) throws(LanguageModelError) {
    func refused(_ problem: String) -> LanguageModelError { .configuration(path: path, problem) }
    guard let gguf = family.gguf else { throw refused("the family \(family.modelType) has no architecture in GGUF") }
    self.init(unchecked: family)
    var known: Set<String> = []
    for key in gguf.keys {
      known.formUnion(key.names)
      let problem: String?
      do throws(TensorFileError) {
        problem = try key.read(file, &self)
      } catch {
        throw .tensorFile(path: path, error)
      }
      if let problem { throw refused(problem) }
    }
    deriveSizes()
    if let problem { throw refused(problem) }
    let prefix = gguf.architecture + "."
    for entry in file.metadata.entries where entry.key.hasPrefix(prefix) {
      let key = String(entry.key.dropFirst(prefix.count))
      guard known.contains(key) || gguf.harmlessKeys.contains(key) else {
        throw refused(
          "the key \(entry.key.quotedForMessage) is not known to this version, and could change what the model computes; "
            + "remove it if it does not")
      }
    }
  }

  /// What the family's GGUF files say of it, below the architecture's name.
  func ggufKeys(_ gguf: GGUFFamily) -> [GGUFMetadata.Entry] {
    gguf.keys.flatMap { $0.write(self) }.map { GGUFMetadata.Entry("\(gguf.architecture).\($0.key)", $0.value) }
  }

  /// What such files cannot say of this model, in words; nil where they say all that is computed.
  ///
  /// Found out by reading again what would be written: no rule says what an architecture lacks.
  package var unwritableAsGGUF: String? {
    guard let gguf = family.gguf else {
      return "GGUF files have no architecture for the family \(family.modelType), so that nothing would open them; write a "
        + "hub folder instead"
    }
    guard biases.isSubset(of: gguf.biases) else {
      return "llama.cpp reads no such biases in the architecture \(gguf.architecture); write a hub folder instead"
    }
    let shapes = tensors.flatMap { gguf.tensors.stored($0, self) }.map { (name: $0.name, shape: $0.shape) }
    let scaling = rotary.flatMap { RotaryFactors.factors($0.scaling, headSize: headSize, base: $0.base) }
    let description = GGUFDescription(gguf.architecture, GGUFMetadata(ggufKeys(gguf)), shapes: shapes)
    let again: DecoderConfiguration
    do throws(LanguageModelError) {
      again = try DecoderConfiguration(description, of: family, path: "GGUF")
    } catch {
      return "a model of the architecture \(gguf.architecture) cannot be like this: \(error)"
    }
    // A window that nothing can leave is none, and what training drops changes nothing that is computed; biases that
    // files hold in any case come back as zeros; Llama 3's scaling lies in a tensor.
    var own = self
    (own.dropout, own.initialDeviation) = (again.dropout, again.initialDeviation)
    if let window, window.size >= contextLength { own.window = nil }
    if gguf.tensors.alwaysHasBiases { own.biases = again.biases }
    if scaling != nil, let rotary, RotaryFactors.scaling(scaling ?? [], headSize: headSize, base: rotary.base) != nil,
      var read = again.rotary
    {
      read.scaling = rotary.scaling
      var scaled = again
      scaled.positions = .rotary(read)
      return own.lost(in: scaled, gguf.architecture)
    }
    return own.lost(in: again, gguf.architecture)
  }

  private func lost(in again: DecoderConfiguration, _ architecture: String) -> String? {
    let lost = zip(choices, again.choices).compactMap { own, read in own.value == read.value ? nil : own.name }
    guard !lost.isEmpty else { return nil }
    return "llama.cpp computes a model of the architecture \(architecture) otherwise, and its files cannot say: "
      + "\(lost.joined(separator: ", ")); write a hub folder instead"
  }
}
