extension TextNormalizer {
  /// The text after all steps; nil where they leave it as it is.
  ///
  /// - Parameter isBeginning: Whether nothing of the text came before, so that `prepend` has a place.
  func normalized(_ text: TextView, isBeginning: Bool) -> [UInt8]? {
    var result: [UInt8]?
    for step in steps {
      let next = result.map { bytes in
        unsafe bytes.withUnsafeBufferPointer { unsafe step.applied(TextView($0, text.classes), isBeginning: isBeginning) }
      } ?? step.applied(text, isBeginning: isBeginning)
      if let next { result = next }
    }
    return result
  }
}

extension TextNormalizer.Step {
  /// The text after this step; nil where it stays as it is.
  fileprivate func applied(_ text: TextView, isBeginning: Bool) -> [UInt8]? {
    switch self {
    case .nfc:
      NormalizationFormC.shared.firstUnsafe(in: text) == nil ? nil : NormalizationFormC.shared.normalized(text)
    case .prepend(let string):
      text.count == 0 || !isBeginning ? nil : Array(string.utf8) + text.bytes
    case .replace(let string, let replacement):
      TextNormalizer.replaced(Array(string.utf8), Array(replacement.utf8), in: text)
    }
  }
}

extension TextNormalizer {
  /// The text with every occurrence of `pattern` replaced; nil where there is none.
  fileprivate static func replaced(_ pattern: [UInt8], _ replacement: [UInt8], in text: TextView) -> [UInt8]? {
    guard let first = pattern.first else { return nil }
    var result: [UInt8] = [], copied = 0, index = 0
    while index + pattern.count <= text.count {
      guard text[index] == first, text.hasBytes(pattern[...], at: index) else {
        index += 1
        continue
      }
      if result.isEmpty { result.reserveCapacity(text.count + text.count / 2) }
      text.append(copied..<index, to: &result)
      result += replacement
      index += pattern.count
      copied = index
    }
    if copied == 0 { return nil }
    text.append(copied..<text.count, to: &result)
    return result
  }

  /// Puts `▁` for every space, as `metaspace` does, and one in front unless one stands there.
  static func metaspace(_ text: TextView, prefixes: Bool) -> [UInt8] {
    let mark = Array("▁".utf8)
    let replaced = replaced([UInt8(ascii: " ")], mark, in: text) ?? text.bytes
    return prefixes && !replaced.starts(with: mark) ? mark + replaced : replaced
  }
}

extension PreTokenizer {
  /// The text with what the pre-tokenizer puts in it before it cuts; nil where that is nothing.
  func prefixed(_ text: TextView, isBeginning: Bool, isFirst: Bool) -> [UInt8]? {
    if scanner == .metaspace {
      if text.count == 0 { return nil }
      return TextNormalizer.metaspace(text, prefixes: prefix == .always && isBeginning || prefix == .first && isFirst)
    }
    guard addsPrefixSpace, isBeginning, text.count > 0, text[0] != UInt8(ascii: " ") else { return nil }
    return [UInt8(ascii: " ")] + text.bytes
  }
}

extension TextView {
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    append(0..<count, to: &bytes)
    return bytes
  }
}
