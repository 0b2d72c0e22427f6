import AutogradBase

/// What a GGUF file says about itself: metadata, and names, types, shapes and places of its tensors, all checked.
///
/// Nothing in it is believed before it is checked: a header that parses describes tensors that lie inside the file, one
/// behind the other, and leave no byte over but what aligns them. Files of version 2, which differ in nothing, are read,
/// too.
public struct GGUFHeader: Sendable {
  /// One tensor.
  public struct Entry: Sendable, Equatable {
    public let name: String
    public let type: GGUFTensorType
    /// Row-major, as everywhere here; the file has it the other way round.
    public let shape: [Int]
    /// Where its bytes stand, counted from the start of the file.
    public let byteRange: Range<Int>

    public var elementCount: Int { shape.reduce(1, *) }
  }

  /// The most keys; what tools write has some fifty.
  public static let keyLimit = 65_536
  /// The most tensors, as many as a safetensors file may have here.
  public static let tensorLimit = 150_000
  /// The longest header, in bytes; a vocabulary of 200,000 tokens takes some ten million.
  public static let byteLimit = 100_000_000
  static let keyByteLimit = 65_535
  static let nameByteLimit = 64
  static let rankLimit = 4
  static let arrayDepthLimit = 3
  static let alignmentLimit = 1 << 20
  static let usualAlignment = 32
  static let magic = Array("GGUF".utf8)

  public let version: Int
  public let metadata: GGUFMetadata
  /// All tensors, in the order of their bytes.
  public let entries: [Entry]
  public let alignment: Int
  /// Where the data starts, counted from the start of the file.
  public let dataOffset: Int
  private let indices: [ExactString: Int]

  /// Reads and checks a header.
  ///
  /// - Throws: `GGUFError`: the first way in which the file lies.
  /// - Complexity: O(header bytes); looks at no tensor's data.
  public init(_ file: any RandomAccessFile) throws(GGUFError) {
    var cursor = GGUFCursor(file, byteLimit: GGUFHeader.byteLimit)
    version = try GGUFHeader.version(&cursor, fileByteCount: file.byteCount)
    let tensorCount = try cursor.integer(UInt64.self, "the count of tensors")
    let keyCount = try cursor.integer(UInt64.self, "the count of keys")
    guard tensorCount <= GGUFHeader.tensorLimit else { throw .tooManyTensors(tensorCount) }
    guard keyCount <= GGUFHeader.keyLimit else { throw .tooManyKeys(keyCount) }
    var metadata = GGUFMetadata()
    for index in 0..<Int(keyCount) {
      let entry = try cursor.entry(index)
      guard metadata.append(entry) else { throw .duplicateKey(entry.key) }
    }
    alignment = try GGUFHeader.alignment(metadata)
    if let parts = metadata["split.count"]?.intValue, parts > 1 { throw .split(count: parts) }
    var tensors: [PlacedTensor] = []
    for index in 0..<Int(tensorCount) { tensors.append(try cursor.tensor(index)) }
    dataOffset = (cursor.position + alignment - 1) / alignment * alignment
    (entries, indices) = try GGUFHeader.entries(tensors, alignment, from: dataOffset, to: file.byteCount)
    self.metadata = metadata
  }

  /// The tensor with exactly these name bytes; nil when there is none.
  public func entry(_ name: String) -> Entry? { indices[ExactString(name)].map { entries[$0] } }

  private static func version(_ cursor: inout GGUFCursor, fileByteCount: Int) throws(GGUFError) -> Int {
    guard fileByteCount >= 24 else { throw .fileTooShort(byteCount: fileByteCount) }
    let magic = Array(try cursor.bytes(4, "its first word"))
    guard magic == GGUFHeader.magic else {
      let older = ["lmgg": "GGML", "fmgg": "GGMF", "tjgg": "GGJT", "algg": "GGLA"]
      if let name = older[String(decoding: magic, as: UTF8.self)] { throw .olderFormat(name: name) }
      throw .notGGUF(start: magic)
    }
    let version = try cursor.integer(UInt32.self, "its version")
    guard version != 2, version != 3 else { return Int(version) }
    if version == 1 { throw .olderFormat(name: "GGUF 1") }
    if version & 0xFFFF == 0, version != 0 { throw .bigEndian }
    throw .unknownVersion(version)
  }

  private static func alignment(_ metadata: GGUFMetadata) throws(GGUFError) -> Int {
    switch metadata["general.alignment"] {
    case nil: return usualAlignment
    case .uint32(let value)? where value >= 8 && value <= alignmentLimit && value & (value - 1) == 0: return Int(value)
    case .uint32(let value)?: throw .invalidAlignment("\(value)")
    case .some: throw .invalidAlignment("of another type")
    }
  }

  /// Checks that tensors follow each other, each from a multiple of the alignment.
  private static func entries(
    _ tensors: [PlacedTensor], _ alignment: Int, from start: Int, to end: Int
  ) throws(GGUFError) -> ([Entry], [ExactString: Int]) {
    let dataByteCount = max(0, end - start)
    var entries: [Entry] = [], indices: [ExactString: Int] = [:], position = 0
    entries.reserveCapacity(tensors.count)
    for tensor in tensors.sorted(by: { $0.offset < $1.offset }) {
      guard tensor.offset % UInt64(alignment) == 0 else {
        throw .misaligned(name: tensor.name, offset: tensor.offset, alignment: alignment)
      }
      let aligned = (position + alignment - 1) / alignment * alignment
      let offset = Int(clamping: tensor.offset)
      if offset < aligned { throw .overlap(name: tensor.name, other: entries.last?.name ?? "") }
      let (finish, overflow) = offset.addingReportingOverflow(tensor.byteCount)
      guard !overflow, finish <= dataByteCount else {
        throw .beyondFile(name: tensor.name, end: overflow ? Int.max : finish, dataByteCount: dataByteCount)
      }
      if offset > aligned { throw .hole(before: tensor.name, byteCount: offset - aligned) }
      guard indices.updateValue(entries.count, forKey: ExactString(tensor.name)) == nil else {
        throw .duplicateTensor(tensor.name)
      }
      entries.append(
        Entry(name: tensor.name, type: tensor.type, shape: tensor.shape, byteRange: start + offset..<start + finish))
      position = finish
    }
    let aligned = (position + alignment - 1) / alignment * alignment
    if dataByteCount > aligned { throw .trailingBytes(count: dataByteCount - aligned) }
    return (entries, indices)
  }
}

/// A tensor as the header lists it.
private struct PlacedTensor {
  let name: String
  let type: GGUFTensorType
  let shape: [Int]
  let byteCount: Int
  /// From the start of the data.
  let offset: UInt64
}

// MARK: Tensors

extension GGUFCursor {
  fileprivate mutating func tensor(_ index: Int) throws(GGUFError) -> PlacedTensor {
    let length = try integer(UInt64.self, "tensor \(index)")
    guard length > 0 else { throw .tensorNameEmpty(index: index) }
    guard length <= GGUFHeader.nameByteLimit else { throw .tensorNameTooLong(index: index, byteCount: length) }
    guard let name = String(validating: try bytes(Int(length), "the name of tensor \(index)"), as: UTF8.self) else {
      throw .tensorNameNotUTF8(index: index)
    }
    let what = "tensor \(name.quotedForMessage)", rank = try integer(UInt32.self, what)
    guard 1...GGUFHeader.rankLimit ~= Int(rank) else { throw .invalidRank(name: name, rank: rank) }
    var shape: [Int] = []
    for axis in 0..<Int(rank) {
      let length = try integer(UInt64.self, what)
      guard length > 0, let length = Int(exactly: length) else {
        throw .invalidDimension(name: name, axis: axis, length: length)
      }
      shape.insert(length, at: 0)
    }
    let number = try integer(UInt32.self, what), offset = try integer(UInt64.self, what)
    guard let type = GGUFTensorType.numbered(number) else {
      if let other = GGUFTensorType.otherNames[number] { throw .unsupportedType(name: name, type: other) }
      throw .unknownType(name: name, type: number)
    }
    let width = shape[shape.count - 1], block = type.encoding.blockLength
    guard width % block == 0 else {
      throw .brokenRow(name: name, width: width, type: type.name, blockLength: block)
    }
    guard let byteCount = type.encoding.byteCount(of: shape), shape.reduce(1.0, { $0 * Double($1) }) < 0x1p62 else {
      throw .shapeOverflow(name: name, shape: shape)
    }
    return PlacedTensor(name: name, type: type, shape: shape, byteCount: byteCount, offset: offset)
  }
}

// MARK: Keys and values

extension GGUFCursor {
  fileprivate mutating func entry(_ index: Int) throws(GGUFError) -> GGUFMetadata.Entry {
    let length = try integer(UInt64.self, "key \(index)")
    guard length > 0 else { throw .keyEmpty(index: index) }
    guard length <= GGUFHeader.keyByteLimit else { throw .keyTooLong(index: index, byteCount: length) }
    guard let key = String(validating: try bytes(Int(length), "the name of key \(index)"), as: UTF8.self) else {
      throw .keyNotUTF8(index: index)
    }
    return GGUFMetadata.Entry(key, try value(of: key))
  }

  private func valueType(_ number: UInt32, of key: String) throws(GGUFError) -> GGUFValueType {
    guard let type = GGUFValueType(rawValue: number) else { throw .unknownValueType(key: key, type: number) }
    return type
  }

  private mutating func value(of key: String) throws(GGUFError) -> GGUFValue {
    let what = "the key \(key.quotedForMessage)"
    switch try valueType(try integer(UInt32.self, what), of: key) {
    case .uint8: return .uint8(try integer(UInt8.self, what))
    case .int8: return .int8(try integer(Int8.self, what))
    case .uint16: return .uint16(try integer(UInt16.self, what))
    case .int16: return .int16(try integer(Int16.self, what))
    case .uint32: return .uint32(try integer(UInt32.self, what))
    case .int32: return .int32(try integer(Int32.self, what))
    case .float32: return .float32(Float(bitPattern: try integer(UInt32.self, what)))
    case .bool: return .bool(try bool(of: key))
    case .string:
      let count = try stringByteCount(of: key)
      guard let string = String(validating: try bytes(count, what), as: UTF8.self) else { throw .stringNotUTF8(key: key) }
      return .string(string)
    case .array: return .array(try array(of: key, depth: 1))
    case .uint64: return .uint64(try integer(UInt64.self, what))
    case .int64: return .int64(try integer(Int64.self, what))
    case .float64: return .float64(Double(bitPattern: try integer(UInt64.self, what)))
    }
  }

  private mutating func bool(of key: String) throws(GGUFError) -> Bool {
    let byte = try integer(UInt8.self, "the key \(key.quotedForMessage)")
    guard byte <= 1 else { throw .invalidBool(key: key, byte: byte) }
    return byte == 1
  }

  private mutating func stringByteCount(of key: String) throws(GGUFError) -> Int {
    let length = try integer(UInt64.self, "the key \(key.quotedForMessage)")
    guard length <= UInt64(remaining) else { throw .stringTooLong(key: key, byteCount: length) }
    return Int(length)
  }

  private mutating func array(of key: String, depth: Int) throws(GGUFError) -> GGUFArray {
    let what = "the key \(key.quotedForMessage)"
    let number = try integer(UInt32.self, what), length = try integer(UInt64.self, what)
    let type = try valueType(number, of: key)
    guard length <= UInt64(remaining) / type.leastByteCount else { throw .arrayTooLong(key: key, count: length) }
    let count = Int(length)
    switch type {
    case .uint8: return .uint8(Array(try bytes(count, what)))
    case .int8: return .int8(try bytes(count, what).map { Int8(bitPattern: $0) })
    case .uint16: return .uint16(try integers(count, what))
    case .int16: return .int16(try integers(count, what))
    case .uint32: return .uint32(try integers(count, what))
    case .int32: return .int32(try integers(count, what))
    case .float32: return .float32(try integers(count, what).map { Float(bitPattern: $0) })
    case .uint64: return .uint64(try integers(count, what))
    case .int64: return .int64(try integers(count, what))
    case .float64: return .float64(try integers(count, what).map { Double(bitPattern: $0) })
    case .bool:
      var values: [Bool] = []
      values.reserveCapacity(count)
      for _ in 0..<count { values.append(try bool(of: key)) }
      return .bool(values)
    case .string: return .strings(try strings(count, of: key))
    case .array:
      guard depth < GGUFHeader.arrayDepthLimit else { throw .arraysTooDeep(key: key) }
      var values: [GGUFArray] = []
      for _ in 0..<count { values.append(try array(of: key, depth: depth + 1)) }
      return .arrays(values)
    }
  }

  private mutating func integers<Value: FixedWidthInteger>(_ count: Int, _ what: String) throws(GGUFError) -> [Value] {
    let width = Value.bitWidth / 8, bytes = try bytes(count * width, what)
    return unsafe bytes.withUnsafeBytes { buffer in
      stride(from: 0, to: buffer.count, by: width).map {
        // INVARIANT: the buffer is a whole number of words as wide as `Value`; any bits are a valid integer.
        Value(littleEndian: unsafe buffer.loadUnaligned(fromByteOffset: $0, as: Value.self))
      }
    }
  }

  private mutating func strings(_ count: Int, of key: String) throws(GGUFError) -> GGUFStrings {
    var strings = GGUFStrings()
    strings.reserveCapacity(count)
    for _ in 0..<count { strings.append(try bytes(try stringByteCount(of: key), "the key \(key.quotedForMessage)")) }
    return strings
  }
}
