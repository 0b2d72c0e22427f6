public import AutogradBase

/// Which special tokens mean what, by their names: what `tokenizer.json` itself does not say.
public struct SpecialTokenNames: Sendable, Equatable {
  public var names: [SpecialToken.Role: String]

  public init(_ names: [SpecialToken.Role: String] = [:]) { self.names = names }

  /// What `tokenizer_config.json` or `special_tokens_map.json` says: `bos_token`, `eos_token`, `pad_token`, each a string
  /// or an object with the string under `content`.
  public init(json: JSON) {
    names = [:]
    for (key, role) in SpecialTokenNames.keys {
      guard let value = json[key], let name = value.stringValue ?? value["content"]?.stringValue else { continue }
      names[role] = name
    }
  }

  static let keys: [(key: String, role: SpecialToken.Role)] = [
    ("bos_token", .beginningOfText), ("eos_token", .endOfText), ("pad_token", .padding),
  ]

  /// What a token is called that ends a text where nothing else says which one does: the names that models have for it, the
  /// most usual first.
  static let usualEnds = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "[EOS]"]
}
