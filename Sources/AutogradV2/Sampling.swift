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

extension Context {
  /// A uniform number for the next draw.
  private func nextUniform() -> Double {
    draws.sampling += 1
    var random = RandomStream(seed: seed, purpose: .sampling, step: draws.sampling)
    return random.uniform()
  }

  /// Draws an index in proportion to `weight`, which is called twice for each.
  private func draw(_ count: Int, _ weight: (Int) -> Double) throws(Misuse) -> Int32 {
    var total = 0.0
    for index in 0..<count {
      guard weight(index) >= 0 else { throw Misuse("", "probability \(weight(index)) at index \(index)") }
      total += weight(index)
    }
    guard total > 0, total.isFinite else { throw Misuse("", "the probabilities add up to \(total)") }
    var rest = nextUniform() * total
    var last = 0
    for index in 0..<count where weight(index) > 0 {
      rest -= weight(index)
      last = index
      if rest < 0 { break }
    }
    return Int32(last)
  }

  func sample(_ logits: UnsafePointer<Double>, _ count: Int, temperature: Double) throws(Misuse) -> Int32 {
    guard count > 0 else { throw Misuse("", "\(count) logits") }
    guard temperature >= 0, temperature.isFinite else {
      throw Misuse("", "a temperature of \(temperature)", hint: "give 0 or more, and finite")
    }
    var best = 0
    for index in 0..<count {
      guard !logits[index].isNaN, logits[index] < .infinity else {
        let word = logits[index].isNaN ? "NaN" : "inf"
        throw Misuse("", "logit \(index) is \(word)", hint: "look for a diverged training")
      }
      if logits[index] > logits[best] { best = index }
    }
    guard logits[best].isFinite else {
      throw Misuse("", "all \(count) logits are -inf: no token is possible", hint: "let one of them be finite")
    }
    guard temperature > 0 else { return Int32(best) }
    return try draw(count) { exp((logits[$0] - logits[best]) / temperature) }
  }

  fileprivate func sample(probabilities: UnsafePointer<Double>, _ count: Int) throws(Misuse) -> Int32 {
    guard count > 0 else { throw Misuse("", "\(count) probabilities") }
    return try draw(count) { probabilities[$0] }
  }

  /// Writes `count` tokens after the prompt; `each` gets every character as it comes.
  fileprivate func generate(
    _ model: ModelPointer, _ vocabulary: VocabularyPointer, _ prompt: Bytes, _ count: Int, _ temperature: Double,
    _ each: (CChar) -> Void
  ) throws(Misuse) {
    try check(vocabulary)
    try checkParts(model)
    guard model.pointee.vocab_size <= vocabulary.pointee.vocab_size else {
      throw Misuse(
        "", "the model knows \(model.pointee.vocab_size) tokens, the vocabulary \(vocabulary.pointee.vocab_size)",
        hint: "give the vocabulary that the model was trained with")
    }
    guard count >= 0 else { throw Misuse("", "max_new_tokens is \(count)", hint: "give 0 or more") }
    let length = strlen(prompt), start = max(1, length), window = Int(model.pointee.max_seq_len)
    let tokens = try memory(Int32.self, start + count)
    defer { free(tokens) }
    // Without a prompt the text begins as after a line's end.
    var lineEnd = UInt8(ascii: "\n")
    let known = length > 0
      ? try makeTokens(vocabulary, UnsafeRawPointer(prompt).assumingMemoryBound(to: UInt8.self), length)
      : try makeTokens(vocabulary, &lineEnd, 1)
    tokens.update(from: known, count: start)
    free(known)
    for index in 0..<length { each(prompt[index]) }
    let kept = try keptText(of: model, count: min(window, start + count - 1))
    for position in start..<start + count {
      // What is kept serves until the text is longer than the window, which then moves with each token.
      let pass = try position <= window ? kept?.pass(upTo: position) : nil
      let first = pass?.first ?? max(0, position - window), read = position - first
      tokens[position] = try core.transient { () throws(Misuse) in
        let slot = try logits(model, tokens + first, Shape([read] as InlineArray<1, Int>), through: pass)
        try checkMemory("generate")
        if let pass { try kept?.complete(pass) }
        let width = core.nodes[slot].shape.last
        let row = core.data(slot).assumingMemoryBound(to: Double.self) + (read - 1) * width
        return try sample(row, width, temperature: temperature)
      }
      each(vocabulary.pointee.chars[Int(tokens[position])]!.pointee)
    }
  }
}

@c @implementation func autograd_v2_impl_sample_from_logits(
  _ logits: UnsafePointer<Double>!, _ vocab_size: Int32, _ temperature: Double
) -> Int32 {
  call("sample_from_logits", -1) { context throws(Misuse) in
    guard let logits else { throw absent("the list of logits") }
    return try context.sample(logits, Int(vocab_size), temperature: temperature)
  }
}

@c @implementation func autograd_v2_impl_sample_from_probs(_ probs: UnsafePointer<Double>!, _ size: Int32)
  -> Int32
{
  call("sample_from_probs", -1) { context throws(Misuse) in
    guard let probs else { throw absent("the list of probabilities") }
    return try context.sample(probabilities: probs, Int(size))
  }
}

@c @implementation func autograd_v2_impl_generate_text(
  _ model: ModelPointer!, _ vocab: VocabularyPointer!, _ prompt: Bytes!, _ max_new_tokens: Int32, _ temperature: Double
) -> UnsafeMutablePointer<CChar>! {
  call("generate_text", nil) { context throws(Misuse) in
    guard let model, let vocab else { throw absent(model == nil ? "the model" : "the vocabulary") }
    guard let prompt else { throw absent("the prompt") }
    let text = try context.memory(CChar.self, strlen(prompt) + max(0, Int(max_new_tokens)) + 1)
    var written = 0
    do throws(Misuse) {
      try context.generate(model, vocab, prompt, Int(max_new_tokens), temperature) { character in
        text[written] = character
        written += 1
      }
    } catch {
      free(text)
      throw error
    }
    text[written] = 0
    return text
  }
}

@c @implementation func autograd_v2_impl_generate_and_print(
  _ model: ModelPointer!, _ vocab: VocabularyPointer!, _ prompt: Bytes!, _ max_new_tokens: Int32, _ temperature: Double
) -> Int32 {
  call("generate_and_print", -1) { context throws(Misuse) in
    guard let model, let vocab else { throw absent(model == nil ? "the model" : "the vocabulary") }
    guard let prompt else { throw absent("the prompt") }
    defer { fflush(nil) }
    try context.generate(model, vocab, prompt, Int(max_new_tokens), temperature) { character in
      putchar(Int32(UInt8(bitPattern: character)))
    }
    putchar(10)
    return 0
  }
}
