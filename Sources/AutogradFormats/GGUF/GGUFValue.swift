import AutogradBase

/// A value of a GGUF file's metadata, with the type that it has there.
public enum GGUFValue: Sendable, Equatable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case uint64(UInt64)
  case int64(Int64)
  case float32(Float)
  case float64(Double)
  case bool(Bool)
  case string(String)
  case array(GGUFArray)

  public static func == (a: GGUFValue, b: GGUFValue) -> Bool {
    switch (a, b) {
    case (.uint8(let a), .uint8(let b)): a == b
    case (.int8(let a), .int8(let b)): a == b
    case (.uint16(let a), .uint16(let b)): a == b
    case (.int16(let a), .int16(let b)): a == b
    case (.uint32(let a), .uint32(let b)): a == b
    case (.int32(let a), .int32(let b)): a == b
    case (.uint64(let a), .uint64(let b)): a == b
    case (.int64(let a), .int64(let b)): a == b
    case (.float32(let a), .float32(let b)): a == b
    case (.float64(let a), .float64(let b)): a == b
    case (.bool(let a), .bool(let b)): a == b
    case (.string(let a), .string(let b)): a.hasSameBytes(as: b)
    case (.array(let a), .array(let b)): a == b
    default: false
    }
  }
}

/// An array of a GGUF file's metadata: all of one type.
public enum GGUFArray: Sendable, Equatable {
  case uint8([UInt8])
  case int8([Int8])
  case uint16([UInt16])
  case int16([Int16])
  case uint32([UInt32])
  case int32([Int32])
  case uint64([UInt64])
  case int64([Int64])
  case float32([Float])
  case float64([Double])
  case bool([Bool])
  case strings(GGUFStrings)
  case arrays([GGUFArray])

  public var count: Int {
    switch self {
    case .uint8(let values): values.count
    case .int8(let values): values.count
    case .uint16(let values): values.count
    case .int16(let values): values.count
    case .uint32(let values): values.count
    case .int32(let values): values.count
    case .uint64(let values): values.count
    case .int64(let values): values.count
    case .float32(let values): values.count
    case .float64(let values): values.count
    case .bool(let values): values.count
    case .strings(let values): values.count
    case .arrays(let values): values.count
    }
  }
}

/// Strings one behind another in one piece of memory: a vocabulary has a hundred thousand of them.
///
/// They are bytes, which nobody has checked to be UTF-8.
public struct GGUFStrings: Sendable, Equatable, RandomAccessCollection {
  /// The bytes of all, and where each ends among them.
  public private(set) var bytes: [UInt8] = []
  private var ends: [Int] = []

  public init() {}

  public init(_ strings: some Sequence<String>) {
    for string in strings { append(string.utf8) }
  }

  public var startIndex: Int { 0 }
  public var endIndex: Int { ends.count }

  /// The bytes of one.
  public subscript(index: Int) -> ArraySlice<UInt8> { bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]] }

  /// One as text; bytes that are no UTF-8 are replaced.
  public func string(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

  public mutating func append(_ string: some Collection<UInt8>) {
    bytes += string
    ends.append(bytes.count)
  }

  public mutating func reserveCapacity(_ count: Int) { ends.reserveCapacity(count) }
}

// What a value is, whatever its width.
extension GGUFValue {
  public var stringValue: String? { if case .string(let value) = self { value } else { nil } }

  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// A whole number of any of the integer types; nil where it does not fit.
  public var intValue: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(exactly: value)
    default: nil
    }
  }

  /// A number of any type; large integers are rounded.
  public var doubleValue: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    case .uint64(let value): Double(value)
    default: intValue.map { Double($0) }
    }
  }

  public var arrayValue: GGUFArray? { if case .array(let value) = self { value } else { nil } }

  public var stringsValue: GGUFStrings? { if case .strings(let values)? = arrayValue { values } else { nil } }

  /// An array of whole numbers of any of the integer types; nil where one does not fit.
  public var intsValue: [Int]? { arrayValue?.intsValue }

  /// An array of F32 or F64; F64 is rounded.
  public var floatsValue: [Float]? {
    switch arrayValue {
    case .float32(let values)?: values
    case .float64(let values)?: values.map { Float($0) }
    default: nil
    }
  }

  public var boolsValue: [Bool]? { if case .bool(let values)? = arrayValue { values } else { nil } }
}

extension GGUFArray {
  /// As whole numbers, where they are of an integer type and all fit.
  public var intsValue: [Int]? {
    func all(_ values: some Collection<some BinaryInteger>) -> [Int]? {
      var result: [Int] = []
      result.reserveCapacity(values.count)
      for value in values {
        guard let whole = Int(exactly: value) else { return nil }
        result.append(whole)
      }
      return result
    }
    switch self {
    case .uint8(let values): return all(values)
    case .int8(let values): return all(values)
    case .uint16(let values): return all(values)
    case .int16(let values): return all(values)
    case .uint32(let values): return all(values)
    case .int32(let values): return all(values)
    case .uint64(let values): return all(values)
    case .int64(let values): return all(values)
    default: return nil
    }
  }
}
