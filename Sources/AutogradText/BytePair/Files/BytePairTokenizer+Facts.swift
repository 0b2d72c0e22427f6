public import AutogradBase

extension BytePairTokenizer {
  public var facts: [JSON.Member] {
    let steps = description.normalizer.steps.map { step in
      switch step {
      case .nfc: "NFC"
      case .prepend(let text): "prepend \(text.quotedForMessage)"
      case .replace(let text, let content): "\(text.quotedForMessage) becomes \(content.quotedForMessage)"
      }
    }
    let coding = description.isByteLevel ? "bytes" : "characters, or else bytes"
    return [
      JSON.Member("kind", .string(TokenizerKind.bytePair.name)),
      JSON.Member("merges", .integer(Int64(description.merges.count))),
      JSON.Member("joins", .string(coding)),
      JSON.Member("pre_tokenizer", .string(description.preTokenizer.shortName)),
      JSON.Member("normalizer", .string(steps.isEmpty ? "none" : steps.joined(separator: ", "))),
      JSON.Member("added_tokens", .integer(Int64(description.addedTokens.count))),
    ] + (lostBytes.isEmpty ? [] : [JSON.Member("bytes_that_texts_lose", .integer(Int64(lostBytes.count)))])
  }
}
