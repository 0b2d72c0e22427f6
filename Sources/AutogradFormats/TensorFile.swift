public import AutogradBase

/// Tensors under names, in a file or in several that belong together: what whoever loads weights knows of a format.
///
/// What is there is known at once; numbers are read when they are asked for, and every call reads anew.
public protocol TensorFile: Sendable {
  /// Every tensor once, in the order of the bytes.
  var tensors: [StoredTensorEntry] { get }

  /// The tensor with exactly these name bytes; nil when there is none.
  func tensor(_ name: String) -> StoredTensorEntry?

  /// Numbers of a tensor of real numbers, row-major; only F64 is rounded.
  ///
  /// - Precondition: There is such a tensor, and `elements` lie inside of it.
  /// - Complexity: O(elements).
  func readFloats(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [Float]

  /// The same, always exact.
  func readDoubles(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [Double]
}

/// A tensor in a file, without its numbers.
public struct StoredTensorEntry: Sendable, Equatable {
  public let name: String
  public let dtype: TensorDType
  /// Row-major; empty for a single number.
  public let shape: [Int]
  /// What it takes in the file.
  public let byteCount: Int

  public init(name: String, dtype: TensorDType, shape: [Int], byteCount: Int) {
    (self.name, self.dtype, self.shape, self.byteCount) = (name, dtype, shape, byteCount)
  }

  public var elementCount: Int { shape.reduce(1, *) }
}

/// Why tensors cannot be read.
public enum TensorFileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What the system would not do.
  case file(FileError)
  case safetensors(SafetensorsError)
  /// Several safetensors files, and the index over them.
  case shards(SafetensorsIndexError)

  public init(_ error: SafetensorsError) {
    if case .file(let problem) = error { self = .file(problem) } else { self = .safetensors(error) }
  }

  public var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .safetensors(let error): "\(error)"
    case .shards(let error): "\(error)"
    }
  }
}

extension SafetensorsFile: TensorFile {
  public var tensors: [StoredTensorEntry] { header.entries.map(StoredTensorEntry.init) }

  public func tensor(_ name: String) -> StoredTensorEntry? { header.entry(name).map(StoredTensorEntry.init) }

  public func readFloats(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [Float] {
    do throws(SafetensorsError) {
      return try floats(name, elements: elements)
    } catch {
      throw TensorFileError(error)
    }
  }

  public func readDoubles(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [Double] {
    do throws(SafetensorsError) {
      return try doubles(name, elements: elements)
    } catch {
      throw TensorFileError(error)
    }
  }
}

extension StoredTensorEntry {
  init(_ entry: SafetensorsHeader.Entry) {
    self.init(name: entry.name, dtype: entry.dtype, shape: entry.shape, byteCount: entry.byteRange.count)
  }
}
