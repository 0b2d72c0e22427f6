import AutogradBase

/// Builds a GGUF file of version 3 from metadata and tensors, in the order in which they are added.
///
/// The same calls always give the same bytes.
public struct GGUFWriter {
  private struct Pending {
    let name: String
    let type: GGUFNumberType
    let shape: [Int]
    let byteCount: Int
    let numbers: (Range<Int>) -> [Float]

    var elementCount: Int { shape.reduce(1, *) }
  }

  public var metadata: GGUFMetadata
  private var tensors: [Pending] = []
  private var names: Set<ExactString> = []
  private let alignment = GGUFHeader.usualAlignment
  /// How many numbers are asked for at once: a multiple of every block.
  private static let pieceLength = 1 << 20

  public init(_ metadata: GGUFMetadata) { self.metadata = metadata }

  /// Adds a tensor whose numbers are made when the file is.
  ///
  /// - Parameters:
  ///   - shape: Row-major; 1 to 4 axes.
  ///   - numbers: Those of a range of its elements, which begins and ends with blocks; called once for each.
  /// - Throws: `tensorNameTooLong`, `invalidRank`, `invalidDimension`, `brokenRow`, `shapeOverflow`, `duplicateTensor`.
  public mutating func add(
    _ name: String, shape: [Int], as type: GGUFNumberType, _ numbers: @escaping (Range<Int>) -> [Float]
  ) throws(GGUFError) {
    // One byte less than readers take: ggml keeps a zero behind it.
    guard name.utf8.count < GGUFHeader.nameByteLimit else {
      throw .tensorNameTooLong(index: tensors.count, byteCount: UInt64(name.utf8.count))
    }
    guard 1...GGUFHeader.rankLimit ~= shape.count else { throw .invalidRank(name: name, rank: UInt32(shape.count)) }
    if let axis = shape.firstIndex(where: { $0 < 1 }) {
      throw .invalidDimension(name: name, axis: axis, length: UInt64(clamping: shape[axis]))
    }
    let encoding = type.type.encoding, width = shape[shape.count - 1]
    guard width % encoding.blockLength == 0 else {
      throw .brokenRow(name: name, width: width, type: encoding.name, blockLength: encoding.blockLength)
    }
    guard let byteCount = encoding.byteCount(of: shape) else { throw .shapeOverflow(name: name, shape: shape) }
    guard names.insert(ExactString(name)).inserted else { throw .duplicateTensor(name) }
    tensors.append(Pending(name: name, type: type, shape: shape, byteCount: byteCount, numbers: numbers))
  }

  /// The bytes of all tensors, without what aligns them.
  public var dataByteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// The file in pieces, one after another: its header, then each tensor, of which about a million numbers at a time
  /// stand in memory. Iterating again makes the same pieces of what the tensors are then.
  ///
  /// - Precondition: A tensor's closure gives as many numbers as it is asked for; otherwise stops and prints both counts.
  public func pieces() -> some Sequence<[UInt8]> {
    let header = header(), tensors = tensors, alignment = alignment
    let parts: [(tensor: Int, elements: Range<Int>)] = tensors.enumerated().flatMap { index, tensor in
      stride(from: 0, to: tensor.elementCount, by: GGUFWriter.pieceLength).map { first in
        (index, first..<min(tensor.elementCount, first + GGUFWriter.pieceLength))
      }
    }
    return (0...parts.count).lazy.map { number in
      if number == 0 { return header }
      let (index, elements) = parts[number - 1], tensor = tensors[index], numbers = tensor.numbers(elements)
      guard numbers.count == elements.count else {
        fatalError("GGUF: tensor \(tensor.name) gave \(numbers.count) numbers of \(elements.count)")
      }
      var bytes: [UInt8] = []
      tensor.type.append(numbers, to: &bytes)
      if elements.upperBound == tensor.elementCount { pad(&bytes, tensor.byteCount, alignment) }
      return bytes
    }
  }

  /// The whole file.
  public func serialized() -> [UInt8] { pieces().reduce(into: []) { $0 += $1 } }

  private func header() -> [UInt8] {
    var bytes = GGUFHeader.magic
    appendLittleEndian(UInt32(3), to: &bytes)
    appendLittleEndian(UInt64(tensors.count), to: &bytes)
    appendLittleEndian(UInt64(metadata.entries.count), to: &bytes)
    for entry in metadata.entries {
      appendString(entry.key.utf8, to: &bytes)
      appendLittleEndian(entry.value.type.rawValue, to: &bytes)
      entry.value.append(to: &bytes)
    }
    var offset = 0
    for tensor in tensors {
      appendString(tensor.name.utf8, to: &bytes)
      appendLittleEndian(UInt32(tensor.shape.count), to: &bytes)
      for length in tensor.shape.reversed() { appendLittleEndian(UInt64(length), to: &bytes) }
      appendLittleEndian(tensor.type.type.number, to: &bytes)
      appendLittleEndian(UInt64(offset), to: &bytes)
      offset = (offset + tensor.byteCount + alignment - 1) / alignment * alignment
    }
    pad(&bytes, bytes.count, alignment)
    return bytes
  }
}

/// Appends zeros until what has `count` bytes is a multiple of the alignment.
private func pad(_ bytes: inout [UInt8], _ count: Int, _ alignment: Int) {
  bytes += repeatElement(0, count: (alignment - count % alignment) % alignment)
}

/// A string: its length, and its bytes.
private func appendString(_ string: some Collection<UInt8>, to bytes: inout [UInt8]) {
  appendLittleEndian(UInt64(string.count), to: &bytes)
  bytes += string
}

extension GGUFValue {
  fileprivate var type: GGUFValueType {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .float32: .float32
    case .bool: .bool
    case .string: .string
    case .array: .array
    case .uint64: .uint64
    case .int64: .int64
    case .float64: .float64
    }
  }

  fileprivate func append(to bytes: inout [UInt8]) {
    switch self {
    case .uint8(let value): appendLittleEndian(value, to: &bytes)
    case .int8(let value): appendLittleEndian(value, to: &bytes)
    case .uint16(let value): appendLittleEndian(value, to: &bytes)
    case .int16(let value): appendLittleEndian(value, to: &bytes)
    case .uint32(let value): appendLittleEndian(value, to: &bytes)
    case .int32(let value): appendLittleEndian(value, to: &bytes)
    case .uint64(let value): appendLittleEndian(value, to: &bytes)
    case .int64(let value): appendLittleEndian(value, to: &bytes)
    case .float32(let value): appendLittleEndian(value.bitPattern, to: &bytes)
    case .float64(let value): appendLittleEndian(value.bitPattern, to: &bytes)
    case .bool(let value): appendLittleEndian(UInt8(value ? 1 : 0), to: &bytes)
    case .string(let value): appendString(value.utf8, to: &bytes)
    case .array(let value): value.append(to: &bytes)
    }
  }
}

extension GGUFArray {
  fileprivate var elementType: GGUFValueType {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .float32: .float32
    case .bool: .bool
    case .strings: .string
    case .arrays: .array
    case .uint64: .uint64
    case .int64: .int64
    case .float64: .float64
    }
  }

  fileprivate func append(to bytes: inout [UInt8]) {
    appendLittleEndian(elementType.rawValue, to: &bytes)
    appendLittleEndian(UInt64(count), to: &bytes)
    switch self {
    case .uint8(let values): appendLittleEndian(values, to: &bytes)
    case .int8(let values): appendLittleEndian(values, to: &bytes)
    case .uint16(let values): appendLittleEndian(values, to: &bytes)
    case .int16(let values): appendLittleEndian(values, to: &bytes)
    case .uint32(let values): appendLittleEndian(values, to: &bytes)
    case .int32(let values): appendLittleEndian(values, to: &bytes)
    case .uint64(let values): appendLittleEndian(values, to: &bytes)
    case .int64(let values): appendLittleEndian(values, to: &bytes)
    case .float32(let values): appendLittleEndian(values.lazy.map(\.bitPattern), to: &bytes)
    case .float64(let values): appendLittleEndian(values.lazy.map(\.bitPattern), to: &bytes)
    case .bool(let values): bytes += values.lazy.map { $0 ? 1 : 0 }
    case .strings(let values): for value in values { appendString(value, to: &bytes) }
    case .arrays(let values): for value in values { value.append(to: &bytes) }
    }
  }
}
