/// Finds tokens by their bytes: an open-addressing table of ids, whose bytes are in the vocabulary's own array.
struct TokenIndex: Sendable {
  private var slots: [Int32]
  private let tokens: TokenTable

  /// - Parameter isLess: Ids that give way to others of the same bytes: added tokens.
  init(_ tokens: TokenTable, isLess: (Int) -> Bool) {
    self.tokens = tokens
    var size = 16
    while size < 2 * tokens.count { size *= 2 }
    slots = [Int32](repeating: -1, count: size)
    for pass in 0..<2 {
      for id in 0..<tokens.count where isLess(id) == (pass == 1) && tokens.length(of: id) > 0 { insert(Int32(id)) }
    }
  }

  private mutating func insert(_ id: Int32) {
    let bytes = tokens[Int(id)]
    var place = unsafe bytes.withUnsafeBufferPointer { unsafe ByteHash.hash($0) } & (slots.count - 1)
    while slots[place] >= 0 {
      if tokens[Int(slots[place])] == bytes { return }
      place = (place + 1) & (slots.count - 1)
    }
    slots[place] = id
  }

  /// The token with these bytes; nil where there is none.
  func id(of bytes: UnsafeBufferPointer<UInt8>) -> Int32? {
    var place = unsafe ByteHash.hash(bytes) & (slots.count - 1)
    while slots[place] >= 0 {
      if unsafe tokens.hasBytes(bytes, at: Int(slots[place])) { return slots[place] }
      place = (place + 1) & (slots.count - 1)
    }
    return nil
  }

  func id(of bytes: [UInt8]) -> Int32? { unsafe bytes.withUnsafeBufferPointer { unsafe id(of: $0) } }
}

enum ByteHash {
  @inline(__always) static func mix(_ low: UInt64, _ high: UInt64) -> UInt64 {
    let product = (low ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: high ^ 0xE703_7ED1_A0B4_28DB)
    return product.high ^ product.low
  }

  /// A hash of any bytes, never negative.
  static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> Int { Int(unsafe word(bytes) >> 1) }

  static func word(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash = UInt64(bytes.count), index = 0
    let raw = UnsafeRawBufferPointer(bytes)
    while index + 8 <= bytes.count {
      hash = unsafe mix(hash, raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
      index += 8
    }
    var rest: UInt64 = 0
    while index < bytes.count {
      rest = unsafe rest << 8 | UInt64(bytes[index])
      index += 1
    }
    return mix(hash, rest)
  }
}
