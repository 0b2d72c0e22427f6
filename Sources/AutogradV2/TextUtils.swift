import AutogradEngine
import AutogradBase
import CAutogradV2

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

typealias VocabularyPointer = UnsafeMutablePointer<Vocabulary>
typealias Bytes = UnsafePointer<CChar>

extension Context {
  /// Memory from `malloc` for `count` elements, at least one.
  func memory<Element>(_ type: Element.Type, _ count: Int) throws(Misuse) -> UnsafeMutablePointer<Element> {
    let (bytes, overflow) = max(1, count).multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard !overflow, let memory = malloc(bytes) else {
      throw Misuse("", "the system has no memory for \(count) elements", hint: "make it smaller")
    }
    return memory.bindMemory(to: Element.self, capacity: max(1, count))
  }

  /// A file's bytes.
  func contents(_ path: Bytes?) throws(Misuse) -> [UInt8] {
    guard let path else { throw absent("the path") }
    do throws(FileError) {
      return try POSIXFileSystem().read(String(cString: path), byteLimit: Int(Int32.max))
    } catch {
      throw Misuse("", "\(error)")
    }
  }

  func write(_ bytes: [UInt8], to path: Bytes?) throws(Misuse) {
    guard let path else { throw absent("the path") }
    do throws(FileError) {
      try POSIXFileSystem().writeAtomically(bytes, to: String(cString: path))
    } catch {
      throw Misuse("", "\(error)")
    }
  }

  /// Where a random window of `length` tokens and one more begins in `count` tokens.
  func windowStart(_ random: inout RandomStream, count: Int, length: Int) -> Int {
    random.integer(below: count - length)
  }

  func batchStream() -> RandomStream {
    draws.batch += 1
    return RandomStream(seed: seed, purpose: .dataOrder, step: draws.batch)
  }

  // MARK: Vocabulary

  func makeVocabulary(_ text: UnsafePointer<UInt8>, _ length: Int) throws(Misuse) -> VocabularyPointer {
    guard length > 0 else { throw Misuse("", "the text is empty: it has no characters", hint: "give a text") }
    var seen = InlineArray<256, Bool>(repeating: false)
    var count = 0
    for index in 0..<length where !seen[Int(text[index])] {
      seen[Int(text[index])] = true
      count += 1
    }
    let vocabulary = try make(Vocabulary.self, .vocabulary)
    do throws(Misuse) {
      vocabulary.pointee.char_to_idx = try memory(Int32.self, 256)
      // The strings lie behind the pointers, in one block.
      vocabulary.pointee.chars = try memory(UnsafeMutablePointer<CChar>?.self, count + (2 * count + 7) / 8)
    } catch {
      freeVocabulary(vocabulary)
      throw error
    }
    let strings = UnsafeMutableRawPointer(vocabulary.pointee.chars + count).assumingMemoryBound(to: CChar.self)
    var token = 0
    for byte in 0..<256 {
      vocabulary.pointee.char_to_idx[byte] = seen[byte] ? Int32(token) : -1
      if !seen[byte] { continue }
      strings[2 * token] = CChar(bitPattern: UInt8(byte))
      strings[2 * token + 1] = 0
      vocabulary.pointee.chars[token] = strings + 2 * token
      token += 1
    }
    vocabulary.pointee.vocab_size = Int32(count)
    return vocabulary
  }

  func freeVocabulary(_ vocabulary: VocabularyPointer?) { freePart(vocabulary, .vocabulary, freeParts) }

  func freeParts(_ vocabulary: VocabularyPointer) {
    free(vocabulary.pointee.chars)
    free(vocabulary.pointee.char_to_idx)
  }

  /// Throws for a vocabulary that was freed.
  func check(_ vocabulary: UnsafePointer<Vocabulary>) throws(Misuse) {
    guard vocabulary.pointee.chars != nil, vocabulary.pointee.char_to_idx != nil else {
      throw CellKind.vocabulary.unusable(vocabulary, "the vocabulary's table")
    }
  }

  func makeTokens(_ vocabulary: UnsafePointer<Vocabulary>, _ text: UnsafePointer<UInt8>, _ length: Int)
    throws(Misuse) -> UnsafeMutablePointer<Int32>
  {
    let tokens = try memory(Int32.self, length)
    for index in 0..<length {
      tokens[index] = vocabulary.pointee.char_to_idx[Int(text[index])]
      guard tokens[index] >= 0 else {
        free(tokens)
        throw Misuse(
          "", "the character with code \(text[index]) at position \(index) is not in the vocabulary",
          hint: "make the vocabulary from a text that has it")
      }
    }
    return tokens
  }
}

private func unsigned(_ text: Bytes) -> UnsafePointer<UInt8> {
  UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
}

@c @implementation func autograd_v2_impl_vocab_create_from_text(_ text: Bytes!, _ length: Int)
  -> VocabularyPointer!
{
  call("vocab_create_from_text", nil) { context throws(Misuse) in
    guard let text else { throw absent("the text") }
    return try context.makeVocabulary(unsigned(text), length)
  }
}

@c @implementation func autograd_v2_impl_vocab_free(_ vocab: VocabularyPointer!) {
  call("vocab_free", ()) { context throws(Misuse) in try context.freeStruct(vocab, .vocabulary, context.freeParts) }
}

@c @implementation func autograd_v2_impl_vocab_char_to_idx(
  _ vocab: UnsafePointer<Vocabulary>!, _ character: CChar
) -> Int32 {
  guard let vocab, vocab.pointee.char_to_idx != nil else { return -1 }
  return vocab.pointee.char_to_idx[Int(UInt8(bitPattern: character))]
}

@c @implementation func autograd_v2_impl_vocab_idx_to_char(_ vocab: UnsafePointer<Vocabulary>!, _ token: Int32)
  -> CChar
{
  guard let vocab, token >= 0, token < vocab.pointee.vocab_size else { return 0 }
  return vocab.pointee.chars[Int(token)]?.pointee ?? 0
}

@c @implementation func autograd_v2_impl_vocab_print(_ vocab: UnsafePointer<Vocabulary>!) {
  guard let vocab, vocab.pointee.chars != nil else { return }
  var text = "\(vocab.pointee.vocab_size) characters:"
  for token in 0..<Int(vocab.pointee.vocab_size) {
    let byte = UInt8(bitPattern: vocab.pointee.chars[token]!.pointee)
    text += byte > 32 && byte < 127 ? " \(token)='\(Character(UnicodeScalar(byte)))'" : " \(token)=\(byte)"
  }
  _ = text.withCString { puts($0) }
}

@c @implementation func autograd_v2_impl_tokenize(
  _ vocab: UnsafePointer<Vocabulary>!, _ text: Bytes!, _ length: Int, _ out_length: UnsafeMutablePointer<Int>!
) -> UnsafeMutablePointer<Int32>! {
  out_length?.pointee = 0
  return call("tokenize", nil) { context throws(Misuse) in
    guard let vocab else { throw absent("the vocabulary") }
    guard let text else { throw absent("the text") }
    try context.check(vocab)
    guard length >= 0 else { throw Misuse("", "a text of \(UInt(bitPattern: length)) bytes") }
    let tokens = try context.makeTokens(vocab, unsigned(text), length)
    out_length?.pointee = length
    return tokens
  }
}

@c @implementation func autograd_v2_impl_detokenize(
  _ vocab: UnsafePointer<Vocabulary>!, _ tokens: UnsafePointer<Int32>!, _ count: Int
) -> UnsafeMutablePointer<CChar>! {
  call("detokenize", nil) { context throws(Misuse) in
    guard let vocab else { throw absent("the vocabulary") }
    guard count == 0 || tokens != nil else { throw absent("the token list") }
    guard count >= 0, count < Int.max else { throw Misuse("", "a list of \(UInt(bitPattern: count)) tokens") }
    try context.check(vocab)
    let text = try context.memory(CChar.self, count + 1)
    for index in 0..<count {
      guard tokens[index] >= 0, tokens[index] < vocab.pointee.vocab_size else {
        free(text)
        throw Misuse(
          "", "token \(tokens[index]) at position \(index) is outside the vocabulary of \(vocab.pointee.vocab_size)")
      }
      text[index] = vocab.pointee.chars[Int(tokens[index])]!.pointee
    }
    text[count] = 0
    return text
  }
}
