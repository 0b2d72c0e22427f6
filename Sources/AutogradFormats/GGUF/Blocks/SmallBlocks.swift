// Blocks of 32 numbers, as ggml lays them out (`ggml-quants`; all words little-endian). Number i of the first 16 has the
// low half of byte i, number i + 16 the high half.

/// f16 d, 32 × i8 q: d · q.
enum Q8Block0: NumberBlock {
  static let name = "Q8_0", length = 32, byteCount = 34

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    for block in 0..<count {
      let source = unsafe blocks + block * byteCount, target = unsafe numbers + block * length
      let scale = unsafe half(source)
      for index in 0..<32 {
        let quant = unsafe source.load(fromByteOffset: 2 + index, as: Int8.self)
        unsafe target[index] = Float(quant) * scale
      }
    }
  }
}

/// f16 d, 16 bytes of halves q: d · (q − 8).
enum Q4Block0: NumberBlock {
  static let name = "Q4_0", length = 32, byteCount = 18

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    for block in 0..<count {
      let source = unsafe blocks + block * byteCount, target = unsafe numbers + block * length
      let scale = unsafe half(source)
      for index in 0..<16 {
        let byte = unsafe source.load(fromByteOffset: 2 + index, as: UInt8.self)
        unsafe target[index] = scale * Float(Int32(byte & 15) - 8)
        unsafe target[index + 16] = scale * Float(Int32(byte >> 4) - 8)
      }
    }
  }
}

/// f16 d, f16 m, 16 bytes of halves q: d · q + m.
enum Q4Block1: NumberBlock {
  static let name = "Q4_1", length = 32, byteCount = 20

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    for block in 0..<count {
      let source = unsafe blocks + block * byteCount, target = unsafe numbers + block * length
      let scale = unsafe half(source), least = unsafe half(source + 2)
      for index in 0..<16 {
        let byte = unsafe source.load(fromByteOffset: 4 + index, as: UInt8.self)
        unsafe target[index] = scale * Float(Int32(byte & 15)) + least
        unsafe target[index + 16] = scale * Float(Int32(byte >> 4)) + least
      }
    }
  }
}

/// f16 d, u32 of fifth bits, 16 bytes of halves: d · (q − 16).
enum Q5Block0: NumberBlock {
  static let name = "Q5_0", length = 32, byteCount = 22

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    for block in 0..<count {
      let source = unsafe blocks + block * byteCount, target = unsafe numbers + block * length
      let scale = unsafe half(source)
      unsafe decodeFive(source + 2, source + 6) { index, quant in unsafe target[index] = scale * Float(quant - 16) }
    }
  }
}

/// f16 d, f16 m, u32 of fifth bits, 16 bytes of halves: d · q + m.
enum Q5Block1: NumberBlock {
  static let name = "Q5_1", length = 32, byteCount = 24

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    for block in 0..<count {
      let source = unsafe blocks + block * byteCount, target = unsafe numbers + block * length
      let scale = unsafe half(source), least = unsafe half(source + 2)
      unsafe decodeFive(source + 4, source + 8) { index, quant in unsafe target[index] = scale * Float(quant) + least }
    }
  }
}

/// INVARIANT of whoever calls: 4 bytes with the fifth bit of each number, and 16 bytes of halves.
@inline(__always)
private func decodeFive(
  _ fifths: UnsafeRawPointer, _ halves: UnsafeRawPointer, _ store: (Int, Int32) -> Void
) {
  let high = unsafe UInt32(littleEndian: fifths.loadUnaligned(as: UInt32.self))
  for index in 0..<16 {
    let byte = unsafe halves.load(fromByteOffset: index, as: UInt8.self)
    let first = UInt32(byte & 15) | (high >> UInt32(index) & 1) << 4
    let second = UInt32(byte >> 4) | (high >> UInt32(index + 16) & 1) << 4
    store(index, Int32(bitPattern: first))
    store(index + 16, Int32(bitPattern: second))
  }
}

/// INVARIANT of whoever calls: there are 2 bytes.
@inline(__always)
func half(_ source: UnsafeRawPointer) -> Float {
  unsafe float(halfBits: UInt16(littleEndian: source.loadUnaligned(as: UInt16.self)))
}
