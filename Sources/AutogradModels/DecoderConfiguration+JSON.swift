import AutogradBase

/// config.json: which keys there are and what they mean is the family's business.
extension DecoderConfiguration {
  package var json: JSON {
    let own = family.keys.flatMap { $0.write(self) }
    return .object(
      [
        JSON.Member("architectures", .array([.string(family.architecture)])),
        JSON.Member("model_type", .string(family.modelType)),
      ] + own.filter { member in !otherKeys.contains { $0.key.hasSameBytes(as: member.key) } } + otherKeys)
  }

  /// As it stands beside weights of a type.
  func json(_ weights: WeightType) -> JSON {
    .object(
      (json.objectValue ?? []).map { member in
        member.key.hasSameBytes(as: "torch_dtype") ? JSON.Member(member.key, .string(weights.name)) : member
      })
  }

  /// What the family's config.json cannot say of this model, in words; nil where it says all.
  package var unwritable: String? {
    let again: DecoderConfiguration
    do throws(LanguageModelError) {
      again = try reread()
    } catch {
      return "a model of the family \(family.modelType) cannot be like this: \(error)"
    }
    let lost = differences(from: again)
    guard !lost.isEmpty || again != self else { return nil }
    let others = ModelFamily.all.filter { keeps(lost, in: $0) }.map(\.modelType)
    return "files of the family \(family.modelType) cannot say what this model has: "
      + (lost.isEmpty ? "other keys" : lost.joined(separator: ", ")) + "; leave it as the family has it"
      + (lost.isEmpty || others.isEmpty ? "" : ", or choose a family that can: " + others.joined(separator: ", "))
  }

  /// What a reader makes of the file.
  private func reread() throws(LanguageModelError) -> DecoderConfiguration {
    try DecoderConfiguration(json: json, path: "config.json", families: [family])
  }

  private func differences(from other: DecoderConfiguration) -> [String] {
    zip(choices, other.choices).compactMap { own, its in own.value == its.value ? nil : own.name }
  }

  /// Whether a model of the same sizes in another family has these choices, and its files say so.
  private func keeps(_ names: [String], in family: ModelFamily) -> Bool {
    var other = DecoderConfiguration(unchecked: family)
    (other.vocabularySize, other.contextLength, other.layerCount) = (vocabularySize, contextLength, layerCount)
    (other.headCount, other.keyValueHeadCount, other.headSize) = (headCount, keyValueHeadCount, headSize)
    (other.channelCount, other.feedForwardWidth) = (channelCount, feedForwardWidth)
    guard let again = try? other.reread() else { return false }
    return Set(names).isDisjoint(with: differences(from: other) + other.differences(from: again))
  }

  /// What a model is, by name.
  var choices: [(name: String, value: String)] {
    [
      ("its vocabulary", "\(vocabularySize)"), ("its context", "\(contextLength)"), ("its layers", "\(layerCount)"),
      ("its heads", "\(headCount)"), ("its key-value heads", "\(keyValueHeadCount)"), ("its head size", "\(headSize)"),
      ("its channels", "\(channelCount)"), ("its feed-forward width", "\(feedForwardWidth)"),
      ("its biases", "\(biases.rawValue)"), ("its norm", "\(norm)"), ("a norm of the embedding", "\(normalizesEmbedding)"),
      ("its norms' epsilon", "\(normEpsilon)"), ("its positions", "\(positions)"),
      ("its norm of queries and keys", "\(queryKeyNorm)"), ("its window", "\(window as Any)"),
      ("its feed-forward layers", "\(feedForward)"), ("its head", "\(head)"), ("its soft cap", "\(softCap as Any)"),
      ("its dropout", "\(dropout)"), ("its initial deviation", "\(initialDeviation)"),
    ]
  }

  /// Reads a configuration of any of the families.
  ///
  /// Every key is known to the family, known to be harmless, or refused by name.
  ///
  /// - Throws: `configuration`, with the first key that is missing, of the wrong kind, out of bounds or unknown.
  package init(
    json: JSON, path: String, families: [ModelFamily] = ModelFamily.all
  ) throws(LanguageModelError) {
    func refused(_ problem: String) -> LanguageModelError { .configuration(path: path, problem) }
    let family = try DecoderConfiguration.family(of: json, path, families)
    self.init(unchecked: family)
    family.setDefaults(&self)
    var known: Set<String> = ["architectures", "model_type"]
    for key in family.keys {
      known.formUnion(key.names)
      if let problem = key.read(json, &self) { throw refused(problem) }
      if key.isCarried, let value = json[key.names[0]], !value.isNull {
        otherKeys.append(JSON.Member(key.names[0], value))
      }
    }
    deriveSizes()
    if let problem { throw refused(problem) }
    for member in json.objectValue ?? [] where !known.contains(member.key) {
      guard family.harmlessKeys.contains(member.key) else {
        throw refused(
          "the key \(member.key.quotedForMessage) is not known to this version, and could change what the model "
            + "computes; remove it if it does not")
      }
      if !DecoderConfiguration.isOfTheWriter(member.key) { otherKeys.append(member) }
    }
  }

  /// Keys about the file itself, not the model.
  private static func isOfTheWriter(_ key: String) -> Bool {
    ["transformers_version", "torch_dtype", "dtype", "_name_or_path"].contains(key)
  }

  private static func family(
    of json: JSON, _ path: String, _ families: [ModelFamily]
  ) throws(LanguageModelError) -> ModelFamily {
    let names = families.map { "\"\($0.modelType)\"" }.joined(separator: ", ")
    func refused(_ problem: String) -> LanguageModelError {
      .configuration(path: path, "\(problem); this version opens \(names)")
    }
    guard let type = json["model_type"], !type.isNull else {
      guard let only = families.first else { throw refused("the key \"model_type\" is missing") }
      return only
    }
    guard let name = type.stringValue else { throw refused("\"model_type\" must be a string") }
    guard let family = families.first(where: { $0.modelType == name }) else {
      throw refused("model_type is \(name.quotedForMessage)")
    }
    return family
  }
}
