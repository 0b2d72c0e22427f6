import AutogradEngine
import AutogradFormats

// Rotary positions in GGUF files.
extension GGUFKey {
  /// Base and scaling. Llama 3's scaling is no key there but a tensor of what each frequency is divided by.
  static let rotary = GGUFKey([
    "rope.freq_base", "rope.dimension_count", "rope.scaling.type", "rope.scaling.factor", "rope.scale_linear",
    "rope.scaling.original_context_length", "rope.scaling.finetuned",
  ]) { file, configuration in
    guard var rotary = configuration.rotary else { return nil }
    func problem(_ key: String, _ words: String) -> String { "\"\(file.architecture).\(key)\" \(words)" }
    if let value = file["rope.freq_base"] {
      guard let base = value.decimal, base.isFinite, base > 0 else {
        return problem("rope.freq_base", "must be a number above 0")
      }
      rotary.base = base
    }
    let headSize = configuration.headSize > 0
      ? configuration.headSize : configuration.channelCount / max(1, configuration.headCount)
    if let turned = file["rope.dimension_count"], turned.intValue != headSize {
      return problem(
        "rope.dimension_count", "is \(turned.short), but heads have \(headSize) channels, and llama.cpp turns all of them")
    }
    let type = file["rope.scaling.type"]?.stringValue ?? (file["rope.scaling.type"] == nil ? "none" : "")
    switch type {
    case "none": break
    case "linear":
      guard let factor = file["rope.scaling.factor"]?.decimal, factor > 0, factor.isFinite else {
        return problem("rope.scaling.factor", "must be a number above 0")
      }
      rotary.scaling = .linear(factor: factor)
    default:
      return problem(
        "rope.scaling.type", "is \(file["rope.scaling.type"]?.short ?? ""), which this version cannot compute; it has "
          + "\"none\", \"linear\"")
    }
    if let factor = file["rope.scale_linear"]?.decimal, factor != 1 { rotary.scaling = .linear(factor: factor) }
    if let shape = file.shape(of: RotaryFactors.name) {
      guard rotary.scaling == .none, shape == [headSize / 2], let factors = file.numbers(of: RotaryFactors.name),
        let scaling = RotaryFactors.scaling(factors, headSize: headSize, base: rotary.base)
      else {
        return "the tensor \(RotaryFactors.name) divides the frequencies of rotary positions in a way that this version "
          + "cannot compute; it has that of Llama 3"
      }
      rotary.scaling = scaling
    }
    configuration.positions = .rotary(rotary)
    return nil
  } write: { configuration in
    guard let rotary = configuration.rotary else { return [] }
    var keys: [(key: String, value: GGUFValue)] = [
      ("rope.freq_base", .float32(Float(rotary.base))),
      ("rope.dimension_count", .uint32(UInt32(clamping: configuration.headSize))),
    ]
    if case .linear(let factor) = rotary.scaling {
      keys += [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(Float(factor)))]
    }
    return keys
  }
}

/// The tensor in which GGUF files keep Llama 3's scaling: for each pair of a head's channels what its frequency is
/// divided by.
enum RotaryFactors {
  static let name = "rope_freqs.weight"

  /// Nil for a scaling that needs no tensor.
  static func factors(_ scaling: RotaryScaling, headSize: Int, base: Double) -> [Float]? {
    guard case .llama3 = scaling else { return nil }
    let plain = RotaryTable<Float>.frequencies(headSize, base: base, .none)
    return zip(plain, RotaryTable<Float>.frequencies(headSize, base: base, scaling)).map { Float($0 / $1) }
  }

  /// Llama 3's scaling that makes these factors; nil where none does.
  ///
  /// The largest factor is the scaling's own; every published model has 1 and 4 as its frequencies, and a power of two
  /// as its context. What these make is held against every factor.
  static func scaling(_ factors: [Float], headSize: Int, base: Double) -> RotaryScaling? {
    guard factors.allSatisfy({ $0.isFinite && $0 >= 1 }), let largest = factors.max(), largest > 1 else {
      return factors.allSatisfy { $0 == 1 } ? RotaryScaling.none : nil
    }
    for exponent in 9...20 {
      let scaling = RotaryScaling.llama3(
        factor: Double("\(largest)") ?? Double(largest), lowFactor: 1, highFactor: 4, originalContext: 1 << exponent)
      let made = self.factors(scaling, headSize: headSize, base: base) ?? []
      let isSame = zip(factors, made).allSatisfy { abs($0 - $1) <= 1e-5 * $0 }
      if made.count == factors.count, isSame { return scaling }
    }
    return nil
  }
}
