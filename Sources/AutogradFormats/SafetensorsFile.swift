import AutogradBase

/// A safetensors file, with its tensors as arrays of numbers.
///
/// Keeps the header and reads tensors when they are asked for; every call reads anew.
public struct SafetensorsFile: Sendable {
  public let header: SafetensorsHeader
  let file: any RandomAccessFile

  /// Checks the whole structure; reads no numbers yet.
  ///
  /// - Throws: `SafetensorsError`: the first way in which the file lies, or what kept it from being read.
  public init(_ file: any RandomAccessFile) throws(SafetensorsError) {
    let size = file.byteCount
    func start(_ count: Int) throws(SafetensorsError) -> [UInt8] {
      try Self.bytes(of: file, 0..<min(count, size))
    }
    let prefix = try SafetensorsHeader.prefixByteCount(try start(8), fileByteCount: size)
    header = try SafetensorsHeader(parsing: try start(prefix), fileByteCount: size)
    self.file = file
  }

  /// A file whose bytes are there already.
  public init(bytes: [UInt8]) throws(SafetensorsError) { try self.init(FileInMemory(bytes: bytes)) }

  private static func bytes(
    of file: any RandomAccessFile, _ range: Range<Int>
  ) throws(SafetensorsError) -> [UInt8] {
    do throws(FileError) {
      return try file.read(range)
    } catch {
      throw .file(error)
    }
  }

  /// The names of all tensors, in the order of their bytes.
  public var names: [String] { header.entries.map(\.name) }

  /// The tensor with exactly these name bytes; nil when there is none.
  public func entry(_ name: String) -> SafetensorsHeader.Entry? { header.entry(name) }

  /// The numbers of an F32, F16, BF16 or F64 tensor, row-major; only F64 is rounded.
  ///
  /// - Parameter elements: Which of them; nil reads all.
  /// - Throws: `noSuchTensor`, `wrongDType`, `file`.
  /// - Precondition: `elements` lie inside the tensor; otherwise stops and prints both.
  /// - Complexity: O(elements); one new array.
  public func floats(_ name: String, elements: Range<Int>? = nil) throws(SafetensorsError) -> [Float] {
    let entry = try real(name), elements = elements ?? 0..<entry.elementCount
    var numbers = [Float](repeating: 0, count: elements.count)
    var span = numbers.mutableSpan
    try readNumbers(name, elements, into: &span)
    return numbers
  }

  /// The numbers of an F64, F32, F16 or BF16 tensor, row-major; always exact.
  ///
  /// - Parameter elements: As for `floats`.
  /// - Throws: `noSuchTensor`, `wrongDType`.
  /// - Complexity: O(elements); one new array.
  public func doubles(_ name: String, elements: Range<Int>? = nil) throws(SafetensorsError) -> [Double] {
    let entry = try real(name), elements = elements ?? 0..<entry.elementCount
    var numbers = [Double](repeating: 0, count: elements.count)
    var span = numbers.mutableSpan
    try readNumbers(name, elements, into: &span)
    return numbers
  }

  /// As `floats`, into memory that is there.
  ///
  /// - Precondition: There is room for just them.
  func readNumbers(
    _ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Float>
  ) throws(SafetensorsError) {
    let entry = try real(name, elements)
    do throws(FileError) {
      try file.read(entry.dtype.encoding, at: entry.byteRange.lowerBound, elements, into: &numbers)
    } catch {
      throw .file(error)
    }
  }

  /// As `doubles`, into memory that is there.
  func readNumbers(
    _ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Double>
  ) throws(SafetensorsError) {
    let entry = try real(name, elements)
    do throws(FileError) {
      try file.read(entry.dtype.encoding, at: entry.byteRange.lowerBound, elements, into: &numbers)
    } catch {
      throw .file(error)
    }
  }

  private func real(_ name: String, _ elements: Range<Int>? = nil) throws(SafetensorsError) -> SafetensorsHeader.Entry {
    let entry = try existing(name)
    guard entry.dtype.isReal else {
      throw .wrongDType(name: name, dtype: entry.dtype, wanted: "F64, F32, F16 or BF16")
    }
    if let elements { requireInside(entry, elements) }
    return entry
  }

  private func requireInside(_ entry: SafetensorsHeader.Entry, _ elements: Range<Int>) {
    guard elements.lowerBound >= 0, elements.upperBound <= entry.elementCount else {
      fatalError("safetensors: elements \(elements) of a tensor that has \(entry.elementCount)")
    }
  }

  /// The numbers of an integer tensor of any type but U64, row-major.
  ///
  /// - Throws: `noSuchTensor`, `wrongDType`.
  /// - Complexity: O(elements); one new array.
  public func int64s(_ name: String) throws(SafetensorsError) -> [Int64] {
    let entry = try existing(name)
    switch entry.dtype {
    case .i64: return try numbers(entry) { (bits: UInt64) in Int64(bitPattern: bits) }
    case .i32: return try numbers(entry) { (bits: UInt32) in Int64(Int32(bitPattern: bits)) }
    case .i16: return try numbers(entry) { (bits: UInt16) in Int64(Int16(bitPattern: bits)) }
    case .i8: return try numbers(entry) { (bits: UInt8) in Int64(Int8(bitPattern: bits)) }
    case .u32: return try numbers(entry) { (bits: UInt32) in Int64(bits) }
    case .u16: return try numbers(entry) { (bits: UInt16) in Int64(bits) }
    case .u8: return try numbers(entry) { (bits: UInt8) in Int64(bits) }
    default: throw .wrongDType(name: name, dtype: entry.dtype, wanted: "an integer type other than U64")
    }
  }

  private func existing(_ name: String) throws(SafetensorsError) -> SafetensorsHeader.Entry {
    guard let entry = header.entry(name) else { throw .noSuchTensor(name: name) }
    return entry
  }

  /// Reads little-endian words.
  private func numbers<Bits: FixedWidthInteger, Number>(
    _ entry: SafetensorsHeader.Entry, _ convert: (Bits) -> Number
  ) throws(SafetensorsError) -> [Number] {
    let width = entry.dtype.byteCount, bytes = try Self.bytes(of: file, entry.byteRange)
    return unsafe bytes.withUnsafeBytes { buffer in
      stride(from: 0, to: buffer.count, by: width).map {
        // INVARIANT: the buffer is a whole number of elements as wide as `Bits`; any bits are a valid integer.
        convert(Bits(littleEndian: unsafe buffer.loadUnaligned(fromByteOffset: $0, as: Bits.self)))
      }
    }
  }
}
