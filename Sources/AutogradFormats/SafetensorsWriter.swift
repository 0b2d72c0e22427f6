import AutogradBase

/// Builds a safetensors file from tensors in the order in which they are added.
///
/// That order is also the order of the bytes: mixed types may leave a wide type unaligned, so add wide types
/// first. The data starts at a multiple of 64 bytes. The same calls always give the same bytes.
public struct SafetensorsWriter {
  private struct Pending {
    let name: String
    let dtype: TensorDType
    let shape: [Int]
    let byteCount: Int
    let appendBytes: (inout [UInt8]) -> Void
  }

  private var metadata: [JSON.Member] = [JSON.Member("format", .string("pt"))]
  private var tensors: [Pending] = []
  private var names: Set<ExactString> = []
  private var dataByteCount = 0

  /// Starts an empty file whose metadata is `"format": "pt"`, without which `transformers` refuses it.
  public init() {}

  /// Adds a string to the metadata.
  ///
  /// - Throws: `duplicateName` for a key that is there already, as "format" always is.
  public mutating func setMetadata(_ key: String, _ value: String) throws(SafetensorsError) {
    if metadata.contains(where: { $0.key.hasSameBytes(as: key) }) { throw .duplicateName(key) }
    metadata.append(JSON.Member(key, .string(value)))
  }

  /// Adds a tensor whose bytes are made when the file is.
  ///
  /// - Parameter shape: Row-major; empty for a single number.
  /// - Parameter appendBytes: Appends the little-endian elements, exactly as many bytes as type and shape
  ///   need. Called once by each `serialized()`.
  /// - Throws: `duplicateName`, `reservedName`, `rankTooLarge`, `invalidDimension`, `shapeOverflow`.
  public mutating func add(
    _ name: String, dtype: TensorDType, shape: [Int], appendBytes: @escaping (inout [UInt8]) -> Void
  ) throws(SafetensorsError) {
    if name.hasSameBytes(as: "__metadata__") { throw .reservedName(name) }
    let rankLimit = SafetensorsHeader.rankLimit
    guard shape.count <= rankLimit else { throw .rankTooLarge(name: name, rank: shape.count) }
    if let axis = shape.firstIndex(where: { $0 < 0 }) { throw .invalidDimension(name: name, axis: axis) }
    guard let byteCount = SafetensorsHeader.byteCount(dtype, shape) else {
      throw .shapeOverflow(name: name, shape: shape)
    }
    let (end, overflow) = dataByteCount.addingReportingOverflow(byteCount)
    if overflow { throw .shapeOverflow(name: name, shape: shape) }
    guard names.insert(ExactString(name)).inserted else { throw .duplicateName(name) }
    dataByteCount = end
    tensors.append(
      Pending(name: name, dtype: dtype, shape: shape, byteCount: byteCount, appendBytes: appendBytes))
  }

  /// Adds an F32 tensor.
  ///
  /// - Throws: As the other `add`; a count that does not fit the shape is found by `serialized()`.
  public mutating func add(_ name: String, shape: [Int], floats: [Float]) throws(SafetensorsError) {
    try add(name, shape: shape) { floats }
  }

  /// Adds an F32 tensor whose numbers are made when the file is; as `add(_:shape:floats:)`.
  public mutating func add(_ name: String, shape: [Int], _ floats: @escaping () -> [Float]) throws(SafetensorsError) {
    try add(name, dtype: .f32, shape: shape) { bytes in
      #if _endian(little)
        // INVARIANT: the buffer is only read, and only during the call; any bytes of a float are bytes.
        unsafe floats().withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
      #else
        appendLittleEndian(floats().lazy.map(\.bitPattern), to: &bytes)
      #endif
    }
  }

  /// Adds a BF16 tensor whose numbers are made when the file is, each rounded to the nearest of that type; halfway
  /// between two, to the even one.
  public mutating func addBFloat16(
    _ name: String, shape: [Int], _ floats: @escaping () -> [Float]
  ) throws(SafetensorsError) {
    try add(name, dtype: .bf16, shape: shape) { bytes in
      appendLittleEndian(floats().lazy.map { bfloat16Bits(of: $0) }, to: &bytes)
    }
  }

  /// Adds an F16 tensor; as `addBFloat16`. Numbers beyond its largest, 65504, become infinite.
  public mutating func addHalf(
    _ name: String, shape: [Int], _ floats: @escaping () -> [Float]
  ) throws(SafetensorsError) {
    try add(name, dtype: .f16, shape: shape) { bytes in
      appendLittleEndian(floats().lazy.map { halfBits(of: $0) }, to: &bytes)
    }
  }

  /// Adds an F64 tensor; as `add(_:shape:floats:)`.
  public mutating func add(_ name: String, shape: [Int], doubles: [Double]) throws(SafetensorsError) {
    try add(name, dtype: .f64, shape: shape) { appendLittleEndian(doubles.lazy.map(\.bitPattern), to: &$0) }
  }

  /// Adds an I64 tensor; as `add(_:shape:floats:)`.
  public mutating func add(_ name: String, shape: [Int], int64s: [Int64]) throws(SafetensorsError) {
    try add(name, dtype: .i64, shape: shape) { appendLittleEndian(int64s, to: &$0) }
  }

  /// Makes the file.
  ///
  /// - Throws: `wrongByteCount` when a tensor's closure appends more or less than it should,
  ///   `headerTooLarge`.
  /// - Complexity: One array of the file's size, filled from front to back.
  public func serialized() throws(SafetensorsError) -> [UInt8] {
    var bytes = try header()
    bytes.reserveCapacity(bytes.count + dataByteCount)
    for tensor in tensors {
      let before = bytes.count
      tensor.appendBytes(&bytes)
      guard bytes.count - before == tensor.byteCount else {
        throw .wrongByteCount(name: tensor.name, expected: tensor.byteCount, got: bytes.count - before)
      }
    }
    return bytes
  }

  /// The file in pieces, one after another: its header, then each tensor when it is asked for, so that the file never
  /// stands in memory whole. Iterating again makes the same pieces of what the tensors are then.
  ///
  /// - Precondition: A tensor's closure appends as many bytes as it should; otherwise stops and prints both numbers.
  public func pieces() throws(SafetensorsError) -> some Sequence<[UInt8]> {
    let header = try header(), tensors = tensors
    return (0...tensors.count).lazy.map { number in
      if number == 0 { return header }
      let tensor = tensors[number - 1]
      var bytes: [UInt8] = []
      bytes.reserveCapacity(tensor.byteCount)
      tensor.appendBytes(&bytes)
      guard bytes.count == tensor.byteCount else {
        let error = SafetensorsError.wrongByteCount(name: tensor.name, expected: tensor.byteCount, got: bytes.count)
        fatalError("\(error)")
      }
      return bytes
    }
  }

  private func header() throws(SafetensorsError) -> [UInt8] {
    var header = headerJSON().serialized()
    header += repeatElement(UInt8(ascii: " "), count: (64 - (8 + header.count) % 64) % 64)
    guard header.count <= SafetensorsHeader.byteLimit else {
      throw .headerTooLarge(byteCount: UInt64(header.count))
    }
    var bytes: [UInt8] = []
    appendLittleEndian(CollectionOfOne(UInt64(header.count)), to: &bytes)
    return bytes + header
  }

  private func headerJSON() -> JSON {
    var members = [JSON.Member("__metadata__", .object(metadata))]
    var position = 0
    for tensor in tensors {
      let end = position + tensor.byteCount
      members.append(
        JSON.Member(
          tensor.name,
          .object([
            JSON.Member("dtype", .string(tensor.dtype.name)),
            JSON.Member("shape", .array(tensor.shape.map { .integer(Int64($0)) })),
            JSON.Member("data_offsets", .array([.integer(Int64(position)), .integer(Int64(end))])),
          ])))
      position = end
    }
    return .object(members)
  }
}
