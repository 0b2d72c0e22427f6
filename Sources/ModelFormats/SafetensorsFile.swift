import Base

/// A safetensors file in memory, with its tensors as arrays of numbers.
///
/// Holds the whole file; every call makes a new array, so read each tensor once.
public struct SafetensorsFile: Sendable {
  public let header: SafetensorsHeader
  private let bytes: [UInt8]

  /// Checks the whole structure; reads no numbers yet.
  ///
  /// - Throws: `SafetensorsError`: the first way in which the file lies.
  public init(bytes: [UInt8]) throws(SafetensorsError) {
    header = try SafetensorsHeader(parsing: bytes, fileByteCount: bytes.count)
    self.bytes = bytes
  }

  /// The names of all tensors, in the order of their bytes.
  public var names: [String] { header.entries.map(\.name) }

  /// The tensor with exactly these name bytes; nil when there is none.
  public func entry(_ name: String) -> SafetensorsHeader.Entry? { header.entry(name) }

  /// The numbers of an F32, F16, BF16 or F64 tensor, row-major; only F64 is rounded.
  ///
  /// - Throws: `noSuchTensor`, `wrongDType`.
  /// - Complexity: O(elements); one new array.
  public func floats(_ name: String) throws(SafetensorsError) -> [Float] {
    let entry = try existing(name)
    switch entry.dtype {
    case .f64: return numbers(entry) { (bits: UInt64) in Float(Double(bitPattern: bits)) }
    case .f32: return numbers(entry) { (bits: UInt32) in Float(bitPattern: bits) }
    case .f16: return numbers(entry) { (bits: UInt16) in float(halfBits: bits) }
    case .bf16: return numbers(entry) { (bits: UInt16) in float(bfloat16Bits: bits) }
    default: throw .wrongDType(name: name, dtype: entry.dtype, wanted: "F64, F32, F16 or BF16")
    }
  }

  /// The numbers of an F64, F32, F16 or BF16 tensor, row-major; always exact.
  ///
  /// - Throws: `noSuchTensor`, `wrongDType`.
  /// - Complexity: O(elements); one new array, two for types other than F64.
  public func doubles(_ name: String) throws(SafetensorsError) -> [Double] {
    let entry = try existing(name)
    if entry.dtype == .f64 { return numbers(entry) { (bits: UInt64) in Double(bitPattern: bits) } }
    return try floats(name).map { Double($0) }
  }

  /// The numbers of an integer tensor of any type but U64, row-major.
  ///
  /// - Throws: `noSuchTensor`, `wrongDType`.
  /// - Complexity: O(elements); one new array.
  public func int64s(_ name: String) throws(SafetensorsError) -> [Int64] {
    let entry = try existing(name)
    switch entry.dtype {
    case .i64: return numbers(entry) { (bits: UInt64) in Int64(bitPattern: bits) }
    case .i32: return numbers(entry) { (bits: UInt32) in Int64(Int32(bitPattern: bits)) }
    case .i16: return numbers(entry) { (bits: UInt16) in Int64(Int16(bitPattern: bits)) }
    case .i8: return numbers(entry) { (bits: UInt8) in Int64(Int8(bitPattern: bits)) }
    case .u32: return numbers(entry) { (bits: UInt32) in Int64(bits) }
    case .u16: return numbers(entry) { (bits: UInt16) in Int64(bits) }
    case .u8: return numbers(entry) { (bits: UInt8) in Int64(bits) }
    default: throw .wrongDType(name: name, dtype: entry.dtype, wanted: "an integer type other than U64")
    }
  }

  private func existing(_ name: String) throws(SafetensorsError) -> SafetensorsHeader.Entry {
    guard let entry = header.entry(name) else { throw .noSuchTensor(name: name) }
    return entry
  }

  /// Reads little-endian words from wherever they stand, aligned or not.
  private func numbers<Bits: FixedWidthInteger, Number>(
    _ entry: SafetensorsHeader.Entry, _ convert: (Bits) -> Number
  ) -> [Number] {
    // The header checked that the range lies inside the file; the buffer is only read, during this call.
    unsafe bytes.withUnsafeBytes { file in
      stride(from: entry.byteRange.lowerBound, to: entry.byteRange.upperBound, by: entry.dtype.byteCount).map
      {
        // The range is a whole number of elements as wide as `Bits`; any bits are a valid integer.
        convert(Bits(littleEndian: unsafe file.loadUnaligned(fromByteOffset: $0, as: Bits.self)))
      }
    }
  }
}
