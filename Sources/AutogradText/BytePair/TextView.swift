/// The bytes of a text while they are cut and merged.
///
/// Reading is not checked in release builds: whoever asks for a byte knows that it is there.
@safe struct TextView {
  // INVARIANT: `count` bytes that outlive the view, which is made inside a call that has them and never kept.
  private let base: UnsafePointer<UInt8>
  let count: Int
  let classes: CharacterClasses

  /// - Parameter bytes: Must outlive the view.
  @unsafe init(_ bytes: UnsafeBufferPointer<UInt8>, _ classes: CharacterClasses) {
    unsafe (base, count) = (bytes.baseAddress ?? UnsafePointer(bitPattern: 1)!, bytes.count)
    self.classes = classes
  }

  private init(base: UnsafePointer<UInt8>, count: Int, classes: CharacterClasses) {
    unsafe self.base = unsafe base
    (self.count, self.classes) = (count, classes)
  }

  /// A part, as a text of its own.
  @inline(__always) func extracting(_ range: Range<Int>) -> TextView {
    assert(range.lowerBound >= 0 && range.upperBound <= count)
    return unsafe TextView(base: base + range.lowerBound, count: range.count, classes: classes)
  }

  /// - Precondition: `index` lies in 0..<`count`.
  @inline(__always) subscript(index: Int) -> UInt8 {
    assert(index >= 0 && index < count)
    return unsafe base[index]
  }

  /// Eight bytes as a little-endian number.
  ///
  /// - Precondition: `index` + 8 ≤ `count`.
  @inline(__always) func word(at index: Int) -> UInt64 {
    assert(index >= 0 && index + 8 <= count)
    return unsafe UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
  }

  /// Up to eight bytes as a little-endian number, zeros behind them.
  @inline(__always) func partialWord(at index: Int, count length: Int) -> UInt64 {
    var word: UInt64 = 0
    for place in 0..<length { word |= UInt64(self[index + place]) << UInt64(8 * place) }
    return word
  }

  /// The flags of the character at `index`, and its bytes.
  ///
  /// - Precondition: `index` lies in 0..<`count`.
  @inline(__always) func character(at index: Int) -> (flags: UInt8, length: Int) {
    let lead = self[index]
    return lead < 0x80 ? (classes[UInt32(lead)], 1) : longCharacter(at: index)
  }

  @inline(never) private func longCharacter(at index: Int) -> (flags: UInt8, length: Int) {
    guard let (value, length) = scalar(at: index) else { return (0, 1) }
    return (classes[value], length)
  }

  /// The character of several bytes at `index`; nil where it is malformed or cut off. Strict, as `UTF8Sequence`.
  @inline(__always) func scalar(at index: Int) -> (value: UInt32, length: Int)? {
    let lead = self[index]
    if lead < 0x80 { return (UInt32(lead), 1) }
    let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
    guard lead >= 0xC2, lead <= 0xF4, index + length <= count else { return nil }
    var value = UInt32(lead) & (0x7F >> UInt32(length))
    for place in 1..<length {
      let byte = self[index + place]
      guard byte & 0xC0 == 0x80 else { return nil }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    guard length == 2 || length == 3 && value >= 0x800 && value >> 11 != 0x1B
      || length == 4 && value >= 0x10000 && value < 0x110000
    else { return nil }
    return (value, length)
  }

  /// How many bytes the character at `index` takes; 1 where it is malformed.
  @inline(__always) func length(at index: Int) -> Int {
    self[index] < 0x80 ? 1 : scalar(at: index)?.length ?? 1
  }

  /// Where the character that ends before `index` begins.
  ///
  /// - Precondition: `index` lies in 1...`count`.
  func characterStart(before index: Int) -> Int {
    var start = index - 1
    while start > 0, index - start < 4, self[start] & 0xC0 == 0x80 { start -= 1 }
    if start < index - 1, let (_, length) = scalar(at: start), start + length == index { return start }
    return index - 1
  }

  /// Whether these bytes stand at `index`.
  func hasBytes(_ bytes: ArraySlice<UInt8>, at index: Int) -> Bool {
    guard index + bytes.count <= count else { return false }
    for (place, byte) in bytes.enumerated() where self[index + place] != byte { return false }
    return true
  }

  /// Adds the bytes of a range to others.
  func append(_ range: Range<Int>, to bytes: inout [UInt8]) {
    unsafe withBytes(range) { unsafe bytes.append(contentsOf: $0) }
  }

  func withBytes<Result>(_ range: Range<Int>, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    assert(range.lowerBound >= 0 && range.upperBound <= count)
    return unsafe body(UnsafeBufferPointer(start: base + range.lowerBound, count: range.count))
  }

  // MARK: Runs

  /// Where the run of characters with any of these flags, from `start` on, ends.
  @inline(__always) func endOfRun(of flags: UInt8, from start: Int) -> Int {
    var index = start
    while index < count {
      let (found, length) = character(at: index)
      if found & flags == 0 { break }
      index += length
    }
    return index
  }

  /// Where the run of characters without any of these flags, from `start` on, ends.
  @inline(__always) func endOfRun(without flags: UInt8, from start: Int) -> Int {
    var index = start
    while index < count {
      let (found, length) = character(at: index)
      if found & flags != 0 { break }
      index += length
    }
    return index
  }

  /// Where the run of letters from `start` on ends: eight bytes at a time while they are ASCII.
  @inline(__always) func endOfLetters(from start: Int) -> Int {
    var index = start
    while index + 8 <= count {
      let found = TextView.asciiLetters(word(at: index))
      index += found
      if found == 8 { continue }
      if self[index] < 0x80 { return index }
      break
    }
    return endOfRun(of: CharacterClasses.letter, from: index)
  }

  /// How many ASCII letters a word of eight bytes begins with.
  @inline(__always) static func asciiLetters(_ word: UInt64) -> Int {
    let high: UInt64 = 0x8080_8080_8080_8080, ones: UInt64 = 0x0101_0101_0101_0101
    // In lower case; bytes of 128 and more are left out at the end.
    let low = (word | ones &* 0x20) & ~high
    let isAtLeastA = low &+ ones &* (0x80 - 0x61), isBeyondZ = low &+ ones &* (0x7F - 0x7A)
    let isLetter = isAtLeastA & ~isBeyondZ & ~word & high
    return (isLetter ^ high).trailingZeroBitCount >> 3
  }
}
