public import AutogradBase

/// Tensors under names, in a file or in several that belong together: what whoever loads weights knows of a format.
///
/// What is there is known at once; numbers are read when they are asked for, and every call reads anew.
public protocol TensorFile: Sendable {
  /// Every tensor once, in the order of the bytes.
  var tensors: [StoredTensorEntry] { get }

  /// The tensor with exactly these name bytes; nil when there is none.
  func tensor(_ name: String) -> StoredTensorEntry?

  /// Reads numbers of a tensor of real numbers, row-major, into memory that is there; only F64 is rounded.
  ///
  /// - Throws: `file` where the disk failed: some numbers may be there then.
  /// - Precondition: There is such a tensor, `elements` lie inside of it, and there is room for just them.
  /// - Complexity: O(elements); little memory.
  func read(_ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Float>) throws(TensorFileError)

  /// The same, always exact.
  func read(_ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Double>) throws(TensorFileError)

  /// The bytes of some elements as they lie in the file: whole blocks of the tensor's encoding.
  ///
  /// - Precondition: There is such a tensor, `elements` lie inside of it, and begin and end with a block.
  func bytes(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [UInt8]
}

extension TensorFile {
  /// Numbers of a tensor as a new array; see `read`.
  public func readFloats(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [Float] {
    var numbers = [Float](repeating: 0, count: elements.count)
    var span = numbers.mutableSpan
    try read(name, elements, into: &span)
    return numbers
  }

  /// The same, always exact.
  public func readDoubles(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [Double] {
    var numbers = [Double](repeating: 0, count: elements.count)
    var span = numbers.mutableSpan
    try read(name, elements, into: &span)
    return numbers
  }
}

/// A tensor in a file, without its numbers.
public struct StoredTensorEntry: Sendable, Equatable {
  public let name: String
  public let encoding: TensorEncoding
  /// Row-major; empty for a single number.
  public let shape: [Int]
  /// What it takes in the file.
  public let byteCount: Int

  public init(name: String, encoding: TensorEncoding, shape: [Int], byteCount: Int) {
    (self.name, self.encoding, self.shape, self.byteCount) = (name, encoding, shape, byteCount)
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
  case gguf(GGUFError)

  public init(_ error: SafetensorsError) {
    if case .file(let problem) = error { self = .file(problem) } else { self = .safetensors(error) }
  }

  public init(_ error: GGUFError) {
    if case .file(let problem) = error { self = .file(problem) } else { self = .gguf(error) }
  }

  public var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .safetensors(let error): "\(error)"
    case .shards(let error): "\(error)"
    case .gguf(let error): "\(error)"
    }
  }
}

extension SafetensorsFile: TensorFile {
  public var tensors: [StoredTensorEntry] { header.entries.map(StoredTensorEntry.init) }

  public func tensor(_ name: String) -> StoredTensorEntry? { header.entry(name).map(StoredTensorEntry.init) }

  public func read(
    _ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Float>
  ) throws(TensorFileError) {
    do throws(SafetensorsError) {
      try readNumbers(name, elements, into: &numbers)
    } catch {
      throw TensorFileError(error)
    }
  }

  public func read(
    _ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Double>
  ) throws(TensorFileError) {
    do throws(SafetensorsError) {
      try readNumbers(name, elements, into: &numbers)
    } catch {
      throw TensorFileError(error)
    }
  }
}

extension SafetensorsFile {
  public func bytes(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [UInt8] {
    guard let entry = header.entry(name) else { throw .safetensors(.noSuchTensor(name: name)) }
    return try bytes(entry.dtype.encoding, at: entry.byteRange.lowerBound, elements)
  }

  private func bytes(
    _ encoding: TensorEncoding, at start: Int, _ elements: Range<Int>
  ) throws(TensorFileError) -> [UInt8] {
    do throws(FileError) {
      return try file.read(encoding.byteRange(of: elements, at: start))
    } catch {
      throw .file(error)
    }
  }
}

extension StoredTensorEntry {
  init(_ entry: SafetensorsHeader.Entry) {
    self.init(name: entry.name, encoding: entry.dtype.encoding, shape: entry.shape, byteCount: entry.byteRange.count)
  }
}
