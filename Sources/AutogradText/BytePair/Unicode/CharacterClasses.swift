/// What the pre-tokenizers' expressions ask of a character, by code point, as `tokenizers` and `tiktoken` know it.
///
/// Tools have tables of different versions of Unicode. These two agree about letters, numbers and white space, and know
/// 17,000 letters fewer than the newest version; `Digits` has a table of its own. `CharacterClassRanges` holds what they said
/// when they were asked.
@safe struct CharacterClasses: @unchecked Sendable {
  /// Flags of a character; a byte that is no part of valid UTF-8 is a character of its own, with none.
  static let letter: UInt8 = 1
  /// What o200k's expression may have before lower case: Lu, Lt, Lm, Lo, M; and after: Ll, Lm, Lo, M.
  static let upper: UInt8 = 2
  static let lower: UInt8 = 4
  static let number: UInt8 = 8
  static let space: UInt8 = 16
  /// Carriage return and line feed.
  static let lineEnd: UInt8 = 32
  /// A part of a word, for added tokens that are words of their own.
  static let word: UInt8 = 64

  // INVARIANT: 0x110000 flags, never freed: tables live as long as the process.
  private let flags: UnsafePointer<UInt8>

  /// - Precondition: `codePoint` is below 0x110000; only decoders of UTF-8 ask.
  @inline(__always) subscript(codePoint: UInt32) -> UInt8 { unsafe flags[Int(codePoint)] }

  static let standard = CharacterClasses(digitsAreNumbers: false)
  /// What `Digits` takes for digits are the numbers, and nothing else.
  static let digits = CharacterClasses(digitsAreNumbers: true)

  private init(digitsAreNumbers: Bool) {
    let count = 0x110000
    let table = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
    let ranges = CharacterClassRanges.ranges
    for (index, range) in ranges.enumerated() {
      let first = Int(range >> 8), end = index + 1 < ranges.count ? Int(ranges[index + 1] >> 8) : count
      // INVARIANT: ranges begin at 0, ascend and end at `count`.
      unsafe (table + first).initialize(repeating: CharacterClasses.flags(UInt8(range & 0xFF), digitsAreNumbers), count: end - first)
    }
    for lineEnd in [10, 13] { unsafe table[lineEnd] |= CharacterClasses.lineEnd }
    unsafe flags = UnsafePointer(table)
  }

  /// Flags for what the tools said: three bits for the general category, then `Digits`, then words.
  private static func flags(_ told: UInt8, _ digitsAreNumbers: Bool) -> UInt8 {
    var flags: UInt8 = told & 0x80 != 0 ? word : 0
    switch told & 7 {
    case 1: flags |= letter | upper
    case 2: flags |= letter | lower
    case 3: flags |= letter | upper | lower
    case 4: flags |= upper | lower
    case 5: flags |= number
    case 6: flags |= space
    default: break
    }
    guard digitsAreNumbers else { return flags }
    return told & 0x40 != 0 ? flags & word | number : flags & ~number
  }
}
