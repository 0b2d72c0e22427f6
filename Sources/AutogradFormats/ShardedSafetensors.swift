public import AutogradBase

/// Several safetensors files under one index, read as one.
///
/// Index and files are held against each other when it is made: afterwards every tensor lies where the index says, and
/// nothing else is there.
public struct ShardedSafetensors: TensorFile {
  public let tensors: [StoredTensorEntry]
  private let shards: [SafetensorsFile]
  /// The place in `tensors` and the shard of each.
  private let places: [ExactString: (place: Int, shard: Int)]

  /// Opens the files that an index names.
  ///
  /// - Parameter open: Opens a file of the index's folder.
  /// - Throws: `shards`, with the first thing that is wrong; `file` where the system could not read one.
  /// - Complexity: reads headers only.
  public init(
    _ index: SafetensorsIndex, open: (String) throws(FileError) -> any RandomAccessFile
  ) throws(TensorFileError) {
    var listed: [ExactString: String] = [:]
    for entry in index.entries { listed[ExactString(entry.tensor)] = entry.shard }
    var tensors: [StoredTensorEntry] = [], shards: [SafetensorsFile] = []
    var places: [ExactString: (place: Int, shard: Int)] = [:]
    for shard in index.shards {
      let file = try Self.open(shard, open)
      // Before the next is opened: a shard that holds what is not listed could be as large as it likes.
      for entry in file.tensors {
        let name = ExactString(entry.name)
        guard let place = listed[name] else { throw .shards(.notListed(tensor: entry.name, shard: shard)) }
        if let other = places[name] {
          throw .shards(.inTwoShards(tensor: entry.name, first: index.shards[other.shard], second: shard))
        }
        guard place.hasSameBytes(as: shard) else {
          throw .shards(.inWrongShard(tensor: entry.name, listed: place, found: shard))
        }
        places[name] = (tensors.count, shards.count)
        tensors.append(entry)
      }
      shards.append(file)
    }
    for entry in index.entries where places[ExactString(entry.tensor)] == nil {
      throw .shards(.notInShard(tensor: entry.tensor, shard: entry.shard))
    }
    (self.tensors, self.shards, self.places) = (tensors, shards, places)
  }

  private static func open(
    _ shard: String, _ open: (String) throws(FileError) -> any RandomAccessFile
  ) throws(TensorFileError) -> SafetensorsFile {
    let file: any RandomAccessFile
    do throws(FileError) {
      file = try open(shard)
    } catch {
      if case .notFound = error { throw .shards(.shardMissing(shard: shard)) }
      throw .file(error)
    }
    do throws(SafetensorsError) {
      return try SafetensorsFile(file)
    } catch {
      if case .file(let problem) = error { throw .file(problem) }
      throw .shards(.shard(shard, error))
    }
  }

  public func tensor(_ name: String) -> StoredTensorEntry? { places[ExactString(name)].map { tensors[$0.place] } }

  public func read(
    _ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Float>
  ) throws(TensorFileError) {
    try shard(of: name).read(name, elements, into: &numbers)
  }

  public func read(
    _ name: String, _ elements: Range<Int>, into numbers: inout MutableSpan<Double>
  ) throws(TensorFileError) {
    try shard(of: name).read(name, elements, into: &numbers)
  }

  public func bytes(_ name: String, _ elements: Range<Int>) throws(TensorFileError) -> [UInt8] {
    try shard(of: name).bytes(name, elements)
  }

  private func shard(of name: String) throws(TensorFileError) -> SafetensorsFile {
    guard let place = places[ExactString(name)] else { throw .safetensors(.noSuchTensor(name: name)) }
    return shards[place.shard]
  }

  /// The strings in the files' headers, those of the first shard first; a key counts once.
  public var metadata: [(key: String, value: String)] {
    var seen: Set<ExactString> = []
    return shards.flatMap(\.header.metadata).filter { seen.insert(ExactString($0.key)).inserted }
  }
}
