/// How a GGUF file that is written holds numbers.
public enum GGUFNumberType: String, Sendable, CaseIterable {
  case f32, f16, bf16
  /// Blocks of 32 numbers of 8 bits, and a scale.
  case q8_0
  /// Blocks of 32 numbers of 4 bits, and a scale.
  case q4_0
  /// Blocks of 32 numbers of 4 bits, a scale and the least of them.
  case q4_1

  /// As GGUF files have it.
  public var type: GGUFTensorType {
    guard let type = GGUFTensorType.named(rawValue.uppercased()) else { fatalError("GGUF: no type \(rawValue)") }
    return type
  }

  /// `general.file_type` of a file most of whose tensors are so.
  public var fileType: UInt32 {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q8_0: 7
    case .bf16: 32
    }
  }

  /// What a tensor is written as in a file of this type, as llama.cpp's converter has it: vectors stay F32, and rows that
  /// blocks do not divide stay F16.
  ///
  /// - Parameter staysSingle: Whether it is one that stays F32 in any case.
  public func type(ofShape shape: [Int], staysSingle: Bool = false) -> GGUFNumberType {
    if shape.count < 2 || staysSingle { return .f32 }
    return (shape.last ?? 1) % type.encoding.blockLength == 0 ? self : .f16
  }

  /// The largest magnitude that it holds: beyond it a number, or the scale of its block, would be infinite.
  public var largest: Float {
    let largestHalf: Float = 65519
    return switch self {
    case .f32: .greatestFiniteMagnitude
    case .f16, .q4_1: largestHalf
    case .bf16: 0x1.FEp127
    case .q8_0: 127 * largestHalf
    case .q4_0: 8 * largestHalf
    }
  }

  /// What is read again of numbers that were written so.
  ///
  /// - Precondition: As for `append`.
  public func rounded(_ numbers: [Float]) -> [Float] {
    if self == .f32 { return numbers }
    var bytes: [UInt8] = []
    append(numbers, to: &bytes)
    return unsafe [Float](unsafeUninitializedCapacity: numbers.count) { target, count in
      count = numbers.count
      // INVARIANT: the bytes are blocks of just these numbers.
      unsafe bytes.withUnsafeBytes { source in
        unsafe type.encoding.decode?(source, UnsafeMutableBufferPointer(rebasing: target[..<count]))
      }
    }
  }

  /// Appends the bytes of numbers: whole blocks of them.
  ///
  /// Quantised numbers are those of `gguf.quants.quantize`, bit for bit.
  ///
  /// - Precondition: Every number is finite, and blocks divide them.
  /// - Complexity: O(numbers).
  public func append(_ numbers: [Float], to bytes: inout [UInt8]) {
    let encoding = type.encoding
    guard numbers.count % encoding.blockLength == 0 else {
      fatalError("GGUF: \(numbers.count) numbers are no whole blocks of \(encoding.blockLength)")
    }
    switch self {
    case .f32: appendLittleEndian(numbers.lazy.map(\.bitPattern), to: &bytes)
    case .f16: appendLittleEndian(numbers.lazy.map { halfBits(of: $0) }, to: &bytes)
    case .bf16: appendLittleEndian(numbers.lazy.map { bfloat16Bits(of: $0) }, to: &bytes)
    case .q8_0: appendBlocks(numbers, encoding, to: &bytes, quantizeInBytes)
    case .q4_0: appendBlocks(numbers, encoding, to: &bytes, quantizeInHalves)
    case .q4_1: appendBlocks(numbers, encoding, to: &bytes, quantizeFromLeast)
    }
  }

  private func appendBlocks(
    _ numbers: [Float], _ encoding: TensorEncoding, to bytes: inout [UInt8],
    _ quantize: (ArraySlice<Float>, inout [UInt8]) -> Void
  ) {
    let length = encoding.blockLength, count = numbers.count / length
    bytes.reserveCapacity(bytes.count + count * encoding.blockByteCount)
    for block in 0..<count { quantize(numbers[block * length..<(block + 1) * length], &bytes) }
  }
}

/// Q8_0: d = max |x| / 127, q = x / d, half away from zero.
private func quantizeInBytes(_ numbers: ArraySlice<Float>, _ bytes: inout [UInt8]) {
  var largest: Float = 0
  for number in numbers { largest = max(largest, abs(number)) }
  let scale = largest / 127, inverse = scale == 0 ? 0 : 1 / scale
  appendLittleEndian(halfBits(of: scale), to: &bytes)
  for number in numbers {
    let value = number * inverse, magnitude = abs(value)
    // A scale of nearly nothing has no inverse; as a half it is 0, and so are its numbers.
    guard magnitude < 256 else {
      bytes.append(0)
      continue
    }
    let whole = Float(Int32(magnitude)), rounded = Int32(whole) + (2 * (magnitude - whole) >= 1 ? 1 : 0)
    bytes.append(UInt8(truncatingIfNeeded: value < 0 ? -rounded : rounded))
  }
}

/// Q4_0: d = x / −8 of the number x farthest from zero, the first where several are as far; q = x / d + 8, rounded, at
/// most 15.
private func quantizeInHalves(_ numbers: ArraySlice<Float>, _ bytes: inout [UInt8]) {
  var farthest: Float = 0
  for number in numbers where abs(number) > abs(farthest) { farthest = number }
  let scale = farthest / -8, inverse = scale == 0 ? 0 : 1 / scale
  appendLittleEndian(halfBits(of: scale), to: &bytes)
  func quant(_ index: Int) -> UInt8 {
    let value = numbers[numbers.startIndex + index] * inverse + 8.5
    return value >= 0 && value < 256 ? UInt8(min(15, Int32(value))) : 0
  }
  for index in 0..<16 { bytes.append(quant(index) | quant(index + 16) << 4) }
}

/// Q4_1: m the least number, d = (the greatest − m) / 15; q = (x − m) / d, rounded, at most 15.
private func quantizeFromLeast(_ numbers: ArraySlice<Float>, _ bytes: inout [UInt8]) {
  var least = numbers[numbers.startIndex], greatest = least
  for number in numbers {
    least = min(least, number)
    greatest = max(greatest, number)
  }
  let scale = (greatest - least) / 15, inverse = scale == 0 ? 0 : 1 / scale
  appendLittleEndian(halfBits(of: scale), to: &bytes)
  appendLittleEndian(halfBits(of: least), to: &bytes)
  func quant(_ index: Int) -> UInt8 {
    let value = (numbers[numbers.startIndex + index] - least) * inverse + 0.5
    return value >= 0 && value < 256 ? UInt8(min(15, Int32(value))) : 0
  }
  for index in 0..<16 { bytes.append(quant(index) | quant(index + 16) << 4) }
}
