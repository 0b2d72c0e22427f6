/// Unicode's normalisation form C, with the tables of `tokenizers`.
///
/// Bytes that are no part of valid UTF-8 stay, and nothing is composed across them.
struct NormalizationFormC: Sendable {
  static let shared = NormalizationFormC()

  /// One bit a code point: 1 where it may change, or change its neighbours.
  private var isUnsafe = [UInt64](repeating: 0, count: 0x110000 / 64)
  private var decompositions: [UInt32: (UInt32, UInt32)] = [:]
  /// By first << 32 | second.
  private var compositions: [UInt64: UInt32] = [:]
  private var combiningClasses: [UInt32: UInt8] = [:]

  private init() {
    let pairs = NormalizationRanges.pairs, singles = NormalizationRanges.singles
    for index in stride(from: 0, to: pairs.count, by: 3) {
      let composed = pairs[index] & 0x1F_FFFF
      decompositions[composed] = (pairs[index + 1], pairs[index + 2])
      if pairs[index] >> 31 == 0 {
        compositions[UInt64(pairs[index + 1]) << 32 | UInt64(pairs[index + 2])] = composed
        mark(pairs[index + 2])
      } else {
        mark(composed)
      }
    }
    for index in stride(from: 0, to: singles.count, by: 2) {
      decompositions[singles[index]] = (singles[index + 1], 0)
      mark(singles[index])
    }
    let ranges = NormalizationRanges.combiningClasses
    for (index, range) in ranges.enumerated() where range & 0xFF != 0 {
      let end = index + 1 < ranges.count ? ranges[index + 1] >> 8 : 0x110000
      for codePoint in range >> 8..<end {
        combiningClasses[codePoint] = UInt8(range & 0xFF)
        mark(codePoint)
      }
    }
    for codePoint in Hangul.vowels.lowerBound..<Hangul.vowels.upperBound { mark(codePoint) }
    for codePoint in Hangul.trails.lowerBound + 1..<Hangul.trails.upperBound { mark(codePoint) }
  }

  private mutating func mark(_ codePoint: UInt32) { isUnsafe[Int(codePoint >> 6)] |= 1 << UInt64(codePoint & 63) }

  private func mayChange(_ codePoint: UInt32) -> Bool {
    isUnsafe[Int(codePoint >> 6)] >> UInt64(codePoint & 63) & 1 != 0
  }

  /// Where the first character stands that may change or change others; nil where the text is normal.
  ///
  /// - Complexity: a look at each byte until there is one of 0xCC or more: characters below U+0300 are normal.
  func firstUnsafe(in text: TextView, from start: Int = 0) -> Int? {
    var index = start
    while index < text.count {
      if text[index] < 0xCC {
        index += 1
      } else if let (value, length) = text.scalar(at: index) {
        if mayChange(value) { return index }
        index += length
      } else {
        index += 1
      }
    }
    return nil
  }

  /// The text in normalisation form C.
  func normalized(_ text: TextView) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var copied = 0
    while let found = firstUnsafe(in: text, from: copied) {
      // What may change goes back to the character before, and on to the next that does not.
      let start = found > copied ? text.characterStart(before: found) : found
      text.append(copied..<start, to: &result)
      var segment: [UInt32] = [], index = start
      if start < found, text.scalar(at: start) == nil {
        result.append(text[start])
        index = found
      }
      while index < text.count, let (value, length) = text.scalar(at: index), index <= found || mayChange(value) {
        decompose(value, into: &segment)
        index += length
      }
      order(&segment)
      for scalar in composed(segment) { result += UTF8.encode(Unicode.Scalar(scalar)!)! }
      copied = index
    }
    text.append(copied..<text.count, to: &result)
    return result
  }

  private func decompose(_ codePoint: UInt32, into segment: inout [UInt32]) {
    if let (first, second) = decompositions[codePoint] {
      decompose(first, into: &segment)
      if second != 0 { decompose(second, into: &segment) }
    } else if Hangul.syllables.contains(codePoint) {
      let index = codePoint - Hangul.syllables.lowerBound
      segment.append(Hangul.leads.lowerBound + index / (Hangul.vowelCount * Hangul.trailCount))
      segment.append(Hangul.vowels.lowerBound + index / Hangul.trailCount % Hangul.vowelCount)
      if index % Hangul.trailCount != 0 { segment.append(Hangul.trails.lowerBound + index % Hangul.trailCount) }
    } else {
      segment.append(codePoint)
    }
  }

  /// Sorts marks between others by their classes; those of one class keep their order.
  private func order(_ segment: inout [UInt32]) {
    var index = 0
    while index < segment.count {
      guard combiningClasses[segment[index]] != nil else {
        index += 1
        continue
      }
      let end = segment[index...].firstIndex { combiningClasses[$0] == nil } ?? segment.count
      // With their places the order is total, however it is sorted.
      let marks = segment[index..<end].enumerated().sorted {
        let left = combiningClasses[$0.element]!, right = combiningClasses[$1.element]!
        return left != right ? left < right : $0.offset < $1.offset
      }
      segment.replaceSubrange(index..<end, with: marks.map(\.element))
      index = end
    }
  }

  private func composed(_ segment: [UInt32]) -> [UInt32] {
    var result: [UInt32] = [], starter: Int?, lastClass: UInt8 = 0
    for scalar in segment {
      let own = combiningClasses[scalar] ?? 0
      // Nothing of the same class, and no other starter, stands between.
      if let starter, result.count == starter + 1 || lastClass < own && lastClass != 0,
        let whole = composition(result[starter], scalar)
      {
        result[starter] = whole
        continue
      }
      if own == 0 { starter = result.count }
      lastClass = own
      result.append(scalar)
    }
    return result
  }

  private func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if Hangul.leads.contains(first), Hangul.vowels.contains(second) {
      let index = (first - Hangul.leads.lowerBound) * Hangul.vowelCount + second - Hangul.vowels.lowerBound
      return Hangul.syllables.lowerBound + index * Hangul.trailCount
    }
    if Hangul.syllables.contains(first), (first - Hangul.syllables.lowerBound) % Hangul.trailCount == 0,
      Hangul.trails.contains(second), second > Hangul.trails.lowerBound
    {
      return first + second - Hangul.trails.lowerBound
    }
    return compositions[UInt64(first) << 32 | UInt64(second)]
  }
}

/// Syllables of Korean, which are computed from their parts.
private enum Hangul {
  static let syllables: Range<UInt32> = 0xAC00..<0xD7A4
  static let leads: Range<UInt32> = 0x1100..<0x1113
  static let vowels: Range<UInt32> = 0x1161..<0x1176
  /// The first stands for none.
  static let trails: Range<UInt32> = 0x11A7..<0x11C3
  static let vowelCount: UInt32 = 21, trailCount: UInt32 = 28
}
