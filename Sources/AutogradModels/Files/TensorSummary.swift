public import AutogradBase
public import AutogradFormats

/// Names, shapes and sizes of the tensors in a file, or in the several files of a folder, read without the tensors.
public struct TensorSummary: Sendable {
  public let tensors: [StoredTensorEntry]
  public let metadata: [(key: String, value: String)]

  init(_ tensors: [StoredTensorEntry]) { (self.tensors, metadata) = (tensors, []) }

  /// - Parameter path: A safetensors file, or an index over several.
  /// - Complexity: reads headers only.
  public init(path: String, fileSystem: any FileSystem) throws(LanguageModelError) {
    switch try SafetensorsContents(path, fileSystem) {
    case .file(let file): (tensors, metadata) = (file.tensors, file.header.metadata)
    case .shards(let shards): (tensors, metadata) = (shards.tensors, shards.metadata)
    }
  }
}

/// A safetensors file, or several under an index.
enum SafetensorsContents {
  case file(SafetensorsFile)
  case shards(ShardedSafetensors)

  /// - Parameter path: An index where it ends as one does, a file otherwise.
  init(_ path: String, _ fileSystem: any FileSystem) throws(LanguageModelError) {
    do throws(TensorFileError) {
      self = try path.hasSuffix(".index.json") ? .shards(Self.shards(path, fileSystem)) : .file(Self.file(path, fileSystem))
    } catch {
      if case .file(let problem) = error { throw .file(problem) }
      throw .tensorFile(path: path, error)
    }
  }

  private static func file(_ path: String, _ fileSystem: any FileSystem) throws(TensorFileError) -> SafetensorsFile {
    let file: any RandomAccessFile
    do throws(FileError) {
      file = try fileSystem.openForReading(path)
    } catch {
      throw .file(error)
    }
    do throws(SafetensorsError) {
      return try SafetensorsFile(file)
    } catch {
      throw TensorFileError(error)
    }
  }

  private static func index(_ path: String, _ fileSystem: any FileSystem) throws(TensorFileError) -> SafetensorsIndex {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try fileSystem.read(path, byteLimit: SafetensorsIndex.byteLimit)
    } catch {
      throw .file(error)
    }
    do throws(SafetensorsIndexError) {
      return try SafetensorsIndex(parsing: bytes)
    } catch {
      throw .shards(error)
    }
  }

  /// The files that an index names, in order.
  static func shardNames(_ path: String, _ fileSystem: any FileSystem) throws(LanguageModelError) -> [String] {
    do throws(TensorFileError) {
      return try index(path, fileSystem).shards
    } catch {
      if case .file(let problem) = error { throw .file(problem) }
      throw .tensorFile(path: path, error)
    }
  }

  private static func shards(_ path: String, _ fileSystem: any FileSystem) throws(TensorFileError) -> ShardedSafetensors {
    let index = try index(path, fileSystem)
    let folder = parentDirectory(of: path)
    return try ShardedSafetensors(index) { shard throws(FileError) in try fileSystem.openForReading(folder + "/" + shard) }
  }

  var tensorFile: any TensorFile {
    switch self {
    case .file(let file): file
    case .shards(let shards): shards
    }
  }
}
