import AutogradBase

/// What a safetensors file says about itself: names, types, shapes and places of its tensors, all checked.
///
/// Nothing in it is believed before it is checked: a header that parses describes tensors that lie inside the
/// file, do not overlap, leave no byte over and have the size that type and shape demand.
///
/// Stricter than the Rust reader in two places, where the format's description is: `"__metadata__": null` is refused
/// (a map of strings, or absent), and so is white space before the header's `{`.
public struct SafetensorsHeader: Sendable {
  /// One tensor.
  public struct Entry: Sendable, Equatable {
    public let name: String
    public let dtype: TensorDType
    /// Row-major; empty for a single number.
    public let shape: [Int]
    /// Where its bytes stand, counted from the start of the file.
    public let byteRange: Range<Int>

    public var elementCount: Int { byteRange.count / dtype.byteCount }
  }

  /// The longest header that is accepted, in bytes.
  public static let byteLimit = 100_000_000
  /// The most axes a tensor may have.
  public static let rankLimit = 16
  /// The most values and keys a header may have: room for 150,000 tensors, and a bound on the memory that it takes.
  static let valueLimit = 2_000_000

  /// All tensors, in the order of their bytes.
  public let entries: [Entry]
  /// The strings under `__metadata__`, in the order of the file.
  public let metadata: [(key: String, value: String)]
  /// Where the data starts, counted from the start of the file.
  public let dataOffset: Int
  private let indices: [ExactString: Int]

  /// Tells how many bytes from the start of a file must be read to parse its header.
  ///
  /// - Parameter bytes: The start of the file, 8 bytes or more.
  /// - Throws: `SafetensorsError` when the length is 0, beyond the limit or beyond the file.
  public static func prefixByteCount(
    _ bytes: [UInt8], fileByteCount: Int
  ) throws(SafetensorsError) -> Int {
    guard bytes.count >= 8, fileByteCount >= 8 else {
      throw .fileTooShort(byteCount: min(bytes.count, fileByteCount))
    }
    let length = (0..<8).reduce(0 as UInt64) { $0 | UInt64(bytes[$1]) << UInt64(8 * $1) }
    guard length > 0 else { throw .headerEmpty }
    guard length <= UInt64(byteLimit) else { throw .headerTooLarge(byteCount: length) }
    guard Int(length) <= fileByteCount - 8 else {
      throw .headerBeyondFile(headerByteCount: length, fileByteCount: fileByteCount)
    }
    return 8 + Int(length)
  }

  /// Reads and checks a header.
  ///
  /// - Parameter bytes: The file, or at least its first `prefixByteCount` bytes.
  /// - Parameter fileByteCount: The size of the whole file.
  /// - Throws: `SafetensorsError`: the first way in which the file lies.
  /// - Complexity: O(header bytes + n log n) for n tensors; looks at no tensor's data.
  public init(parsing bytes: consuming [UInt8], fileByteCount: Int) throws(SafetensorsError) {
    dataOffset = try Self.prefixByteCount(bytes, fileByteCount: fileByteCount)
    guard bytes.count >= dataOffset else { throw .fileTooShort(byteCount: bytes.count) }
    guard bytes[8] == UInt8(ascii: "{") else { throw .headerNotObject(firstByte: bytes[8]) }
    // In place where nobody else has the bytes: a header may be 100 MB.
    bytes.removeSubrange(dataOffset...)
    bytes.removeFirst(8)
    let json: JSON
    do {
      let limits = JSON.Limits(
        maximumDepth: 8, maximumValues: Self.valueLimit, maximumBytes: Self.byteLimit)
      json = try JSON(parsing: bytes, limits: limits)
    } catch {
      if case .duplicateKey(let key, _) = error { throw .duplicateName(key) }
      throw .headerNotJSON(error)
    }
    var metadata: [(key: String, value: String)] = []
    var found: [Entry] = []
    for member in json.objectValue ?? [] {
      if member.key.hasSameBytes(as: "__metadata__") {
        metadata = try Self.strings(member.value)
      } else {
        found.append(try Self.entry(member, dataOffset: dataOffset, fileByteCount: fileByteCount))
      }
    }
    // Empty tensors stand before the one that starts where they do.
    found.sort {
      ($0.byteRange.lowerBound, $0.byteRange.upperBound) < ($1.byteRange.lowerBound, $1.byteRange.upperBound)
    }
    try Self.checkCoverage(found, from: dataOffset, to: fileByteCount)
    entries = found
    self.metadata = metadata
    indices = Dictionary(
      uniqueKeysWithValues: found.enumerated().map { (ExactString($0.element.name), $0.offset) })
  }

  /// The tensor with exactly these name bytes; nil when there is none.
  public func entry(_ name: String) -> Entry? {
    indices[ExactString(name)].map { entries[$0] }
  }

  /// The string under a metadata key; nil when there is none.
  public func metadata(_ key: String) -> String? {
    metadata.first { $0.key.hasSameBytes(as: key) }?.value
  }
}

extension SafetensorsHeader {
  /// The number of bytes of a tensor; nil when it overflows.
  static func byteCount(_ dtype: TensorDType, _ shape: [Int]) -> Int? {
    // An axis of length 0 makes the tensor empty, but the other lengths must still be countable.
    var product = dtype.byteCount
    var isEmpty = false
    for length in shape {
      if length == 0 {
        isEmpty = true
        continue
      }
      let (next, overflow) = product.multipliedReportingOverflow(by: length)
      if overflow { return nil }
      product = next
    }
    return isEmpty ? 0 : product
  }

  private static func strings(_ json: JSON) throws(SafetensorsError) -> [(key: String, value: String)] {
    guard let members = json.objectValue else { throw .metadataNotStrings(key: nil) }
    var result: [(key: String, value: String)] = []
    for member in members {
      guard let value = member.value.stringValue else { throw .metadataNotStrings(key: member.key) }
      result.append((member.key, value))
    }
    return result
  }

  private static func entry(
    _ member: JSON.Member, dataOffset: Int, fileByteCount: Int
  ) throws(SafetensorsError) -> Entry {
    let name = member.key
    guard let dtypeName = member.value["dtype"]?.stringValue else {
      throw .invalidField(name: name, field: "dtype")
    }
    guard let dtype = TensorDType(rawValue: dtypeName) else {
      throw .unknownDType(name: name, dtype: dtypeName)
    }
    guard let lengths = member.value["shape"]?.arrayValue else {
      throw .invalidField(name: name, field: "shape")
    }
    guard lengths.count <= rankLimit else { throw .rankTooLarge(name: name, rank: lengths.count) }
    var shape: [Int] = []
    for (axis, length) in lengths.enumerated() {
      guard case .integer(let value) = length, value >= 0 else {
        throw .invalidDimension(name: name, axis: axis)
      }
      shape.append(Int(value))
    }
    guard let offsets = member.value["data_offsets"]?.arrayValue else {
      throw .invalidField(name: name, field: "data_offsets")
    }
    guard offsets.count == 2, case .integer(let begin) = offsets[0], case .integer(let end) = offsets[1],
      begin >= 0, end >= 0
    else { throw .invalidOffsets(name: name) }
    guard begin <= end else { throw .reversedOffsets(name: name, begin: Int(begin), end: Int(end)) }
    let dataByteCount = fileByteCount - dataOffset
    guard end <= dataByteCount else {
      throw .offsetsBeyondFile(name: name, end: Int(end), dataByteCount: dataByteCount)
    }
    guard let expected = byteCount(dtype, shape) else { throw .shapeOverflow(name: name, shape: shape) }
    let range = dataOffset + Int(begin)..<dataOffset + Int(end)
    guard range.count == expected else {
      throw .sizeMismatch(name: name, expected: expected, got: range.count)
    }
    return Entry(name: name, dtype: dtype, shape: shape, byteRange: range)
  }

  /// Checks that sorted tensors follow each other without gap from `start` to `end`.
  private static func checkCoverage(
    _ entries: [Entry], from start: Int, to end: Int
  ) throws(SafetensorsError) {
    var position = start
    var previous = ""
    for entry in entries {
      let begin = entry.byteRange.lowerBound
      if begin < position { throw .overlap(name: entry.name, other: previous) }
      if begin > position { throw .hole(before: entry.name, byteCount: begin - position) }
      position = entry.byteRange.upperBound
      previous = entry.name
    }
    if position < end { throw .trailingBytes(count: end - position) }
  }
}
