public import AutogradBase

/// A GGUF file, with its tensors as arrays of numbers.
///
/// Keeps the header and reads tensors when they are asked for; every call reads anew. Quantised tensors are read as the
/// numbers that their blocks stand for.
public struct GGUFFile: Sendable {
  public let header: GGUFHeader
  private let file: any RandomAccessFile

  /// Checks the whole structure; reads no numbers yet.
  ///
  /// - Throws: `GGUFError`: the first way in which the file lies, or what kept it from being read.
  public init(_ file: any RandomAccessFile) throws(GGUFError) {
    header = try GGUFHeader(file)
    self.file = file
  }

  /// A file whose bytes are there already.
  public init(bytes: [UInt8]) throws(GGUFError) { try self.init(FileInMemory(bytes: bytes)) }

  public var metadata: GGUFMetadata { header.metadata }

  private func existing(_ name: String) throws(GGUFError) -> GGUFHeader.Entry {
    guard let entry = header.entry(name) else { throw .noSuchTensor(name: name) }
    guard entry.type.encoding.isReal else { throw .wrongType(name: name, type: entry.type.name) }
    return entry
  }
}

extension GGUFFile: TensorFile {
  public var tensors: [StoredTensorEntry] { header.entries.map(StoredTensorEntry.init) }

  public func tensor(_ name: String) -> StoredTensorEntry? { header.entry(name).map(StoredTensorEntry.init) }

  public func read(
    _ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Float>
  ) throws(TensorFileError) {
    let entry = try entry(name)
    do throws(FileError) {
      try file.read(entry.type.encoding, at: entry.byteRange.lowerBound, elements, into: &numbers)
    } catch {
      throw .file(error)
    }
  }

  public func read(
    _ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Double>
  ) throws(TensorFileError) {
    let entry = try entry(name)
    do throws(FileError) {
      try file.read(entry.type.encoding, at: entry.byteRange.lowerBound, elements, into: &numbers)
    } catch {
      throw .file(error)
    }
  }

  public func bytes(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [UInt8] {
    let entry = try entry(name)
    do throws(FileError) {
      return try file.read(entry.type.encoding.byteRange(of: elements, at: entry.byteRange.lowerBound))
    } catch {
      throw .file(error)
    }
  }

  private func entry(_ name: String) throws(TensorFileError) -> GGUFHeader.Entry {
    do throws(GGUFError) {
      return try existing(name)
    } catch {
      throw TensorFileError(error)
    }
  }
}

extension StoredTensorEntry {
  init(_ entry: GGUFHeader.Entry) {
    self.init(name: entry.name, encoding: entry.type.encoding, shape: entry.shape, byteCount: entry.byteRange.count)
  }
}
