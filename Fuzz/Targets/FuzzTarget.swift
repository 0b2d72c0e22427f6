/// A reader of files from outside, and what must hold of it whatever the bytes are.
///
/// Every target asks for more than not to crash: what is refused is refused in one printable sentence, and what is
/// accepted means the same when it is written and read again.
public struct FuzzTarget: Sendable {
  public let name: String
  private let attempt: @Sendable ([UInt8]) throws(BrokenProperty) -> Bool

  init(_ name: String, _ attempt: @escaping @Sendable ([UInt8]) throws(BrokenProperty) -> Bool) {
    self.name = name
    self.attempt = attempt
  }

  /// Reads the bytes.
  ///
  /// - Returns: Whether the reader accepted them.
  /// - Throws: `BrokenProperty` where it did what it must not.
  public func accepts(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool { try attempt(bytes) }

  /// All targets. The corpus has a folder for each, of the same name.
  public static let all: [FuzzTarget] = [
    .json, .safetensors, .gguf, .configuration, .tokenizer, .bytePair, .tiktoken, .merges, .weights, .index, .text, .tokens,
    .lines, .task, .manifest, .record, .start, .encoding,
    .openAI, .http,
  ]

  public static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// What a reader did that it must not do, in words.
public struct BrokenProperty: Error, CustomStringConvertible {
  public let description: String
}

/// Throws unless the condition holds.
func require(_ condition: Bool, _ property: @autoclosure () -> String) throws(BrokenProperty) {
  if !condition { throw BrokenProperty(description: property()) }
}

/// What a reader made of its bytes; nil where it refused them, which takes a sentence that a terminal can show.
func accepted<Value, Refusal: Error>(_ read: () throws(Refusal) -> Value) throws(BrokenProperty) -> Value? {
  let sentence: String
  do throws(Refusal) {
    return try read()
  } catch {
    sentence = "\(error)"
  }
  try require(!sentence.isEmpty && sentence.unicodeScalars.allSatisfy(isPrintable), "bad sentence: \(sentence)")
  return nil
}

private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: false
  default: true
  }
}
