import AutogradBase

/// config.json: which keys there are and what they mean is the family's business.
extension DecoderConfiguration {
  package var json: JSON {
    let own: [JSON.Member] = family.keys.compactMap { key in
      key.write(self).map { JSON.Member(key.names[0], $0) }
    }
    return .object(
      [
        JSON.Member("architectures", .array([.string(family.architecture)])),
        JSON.Member("model_type", .string(family.modelType)),
      ] + own.filter { member in !otherKeys.contains { $0.key.hasSameBytes(as: member.key) } } + otherKeys)
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
      guard let name = key.names.first(where: { json[$0] != nil }), let value = json[name] else {
        if key.isRequired { throw refused("the key \"\(key.names[0])\" is missing") }
        continue
      }
      if value.isNull, !key.isRequired { continue }
      if let problem = key.read(value, &self) { throw refused("\"\(name)\" \(problem)") }
      if key.isCarried { otherKeys.append(JSON.Member(name, value)) }
    }
    // Where no key says how wide the feed-forward layers are, they are four times as wide as the stream.
    if feedForwardWidth == 0 { feedForwardWidth = 4 &* channelCount }
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
