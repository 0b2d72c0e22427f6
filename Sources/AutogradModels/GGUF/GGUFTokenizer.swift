import AutogradFormats
import AutogradText

extension Tokenizer {
  func ggufKeys(rows: Int) throws(TextError) -> [GGUFMetadata.Entry] { [] }
}

func ggufTokenizer(_ metadata: GGUFMetadata) throws(TextError) -> any Tokenizer {
  throw .notTokenizer(kind: "byte-pair vocabulary", reason: "not yet")
}
