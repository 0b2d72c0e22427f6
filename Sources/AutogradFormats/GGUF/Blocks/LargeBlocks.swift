// Blocks of 256 numbers in groups with scales of their own, as ggml lays them out (`ggml-quants`, "k-quants").

/// f16 d, f16 dmin, 12 bytes of scales and mins, 128 bytes of halves: (d · scale) · q − (dmin · min), in 8 groups of 32.
enum Q4BlockK: NumberBlock {
  static let name = "Q4_K", length = 256, byteCount = 144

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    for block in 0..<count {
      let source = unsafe blocks + block * byteCount, target = unsafe numbers + block * length
      let groups = unsafe GroupScales(source)
      for pair in 0..<4 {
        let low = unsafe groups[2 * pair], high = unsafe groups[2 * pair + 1]
        let halves = unsafe source + 16 + 32 * pair, place = unsafe target + 64 * pair
        for index in 0..<32 {
          let byte = unsafe halves.load(fromByteOffset: index, as: UInt8.self)
          unsafe place[index] = low.scale * Float(Int32(byte & 15)) - low.least
          unsafe place[index + 32] = high.scale * Float(Int32(byte >> 4)) - high.least
        }
      }
    }
  }
}

/// As Q4_K, with 32 bytes of fifth bits before the halves: bit g of byte i is that of number i of group g.
enum Q5BlockK: NumberBlock {
  static let name = "Q5_K", length = 256, byteCount = 176

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    for block in 0..<count {
      let source = unsafe blocks + block * byteCount, target = unsafe numbers + block * length
      let groups = unsafe GroupScales(source), fifths = unsafe source + 16
      for pair in 0..<4 {
        let low = unsafe groups[2 * pair], high = unsafe groups[2 * pair + 1]
        let halves = unsafe source + 48 + 32 * pair, place = unsafe target + 64 * pair
        for index in 0..<32 {
          let byte = unsafe halves.load(fromByteOffset: index, as: UInt8.self)
          let bits = unsafe fifths.load(fromByteOffset: index, as: UInt8.self) >> UInt8(2 * pair)
          let first = Int32(byte & 15 | (bits & 1) << 4), second = Int32(byte >> 4 | (bits >> 1 & 1) << 4)
          unsafe place[index] = low.scale * Float(first) - low.least
          unsafe place[index + 32] = high.scale * Float(second) - high.least
        }
      }
    }
  }
}

/// 128 bytes of low halves, 64 bytes of upper two bits, 16 × i8 scales, f16 d: (d · scale) · (q − 32), in 16 groups of 16.
enum Q6BlockK: NumberBlock {
  static let name = "Q6_K", length = 256, byteCount = 210

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    for block in 0..<count {
      let source = unsafe blocks + block * byteCount, target = unsafe numbers + block * length
      let scale = unsafe half(source + 208)
      func scaled(_ group: Int) -> Float {
        unsafe scale * Float(source.load(fromByteOffset: 192 + group, as: Int8.self))
      }
      // Two parts of 128 numbers, in four rows of 32: the low halves of 64 bytes are rows 0 and 1, the high ones rows
      // 2 and 3; two bits of each of 32 bytes belong to each row.
      for part in 0..<2 {
        for row in 0..<4 {
          let halves = unsafe source + 64 * part + 32 * (row % 2), uppers = unsafe source + 128 + 32 * part
          let place = unsafe target + 128 * part + 32 * row, shift = UInt8(row / 2 * 4)
          for side in 0..<2 {
            let scale = scaled(8 * part + 2 * row + side)
            for index in 16 * side..<16 * side + 16 {
              let low = unsafe halves.load(fromByteOffset: index, as: UInt8.self) >> shift & 15
              let high = unsafe uppers.load(fromByteOffset: index, as: UInt8.self) >> UInt8(2 * row) & 3
              unsafe place[index] = scale * Float(Int32(low | high << 4) - 32)
            }
          }
        }
      }
    }
  }
}

/// The scales and least values of the 8 groups of a Q4_K or Q5_K block, six bits each.
///
/// INVARIANT: `source` begins with f16 d, f16 dmin and 12 bytes.
@unsafe private struct GroupScales {
  private let source: UnsafeRawPointer
  private let scale, least: Float

  init(_ source: UnsafeRawPointer) {
    unsafe self.source = source
    unsafe scale = half(source)
    unsafe least = half(source + 2)
  }

  @inline(__always)
  subscript(group: Int) -> (scale: Float, least: Float) {
    func byte(_ index: Int) -> UInt8 { unsafe source.load(fromByteOffset: 4 + index, as: UInt8.self) }
    let six: (UInt8, UInt8)
    if group < 4 {
      six = (byte(group) & 63, byte(group + 4) & 63)
    } else {
      // The upper two bits of the first eight bytes belong to the last four groups.
      six = (byte(group + 4) & 15 | byte(group - 4) >> 2 & 48, byte(group + 4) >> 4 | byte(group) >> 2 & 48)
    }
    return unsafe (scale * Float(six.0), least * Float(six.1))
  }
}
