public import AutogradBase

/// `model.safetensors.index.json`: which of several safetensors files holds which tensor.
///
/// A name of a file is one in the index's own folder. Whether the files hold what is said here,
/// `ShardedSafetensors` finds out.
public struct SafetensorsIndex: Sendable, Equatable {
  /// What hub folders call it.
  public static let fileName = "model.safetensors.index.json"
  /// The longest index that is accepted, in bytes.
  public static let byteLimit = 16_000_000
  /// The most tensors, as many as one header may have.
  static let tensorLimit = 150_000
  /// The most files: each is kept open.
  public static let shardLimit = 500

  public struct Entry: Sendable, Equatable {
    public let tensor: String
    public let shard: String

    public static func == (a: Entry, b: Entry) -> Bool {
      a.tensor.hasSameBytes(as: b.tensor) && a.shard.hasSameBytes(as: b.shard)
    }
  }

  /// The bytes of all tensors, where the index says so. Nothing depends on it: tools that merge models leave it as it was.
  public let totalByteCount: Int?
  /// In the order of the file.
  public let entries: [Entry]
  /// The files, in the order in which they are first named.
  public let shards: [String]

  /// Reads an index.
  ///
  /// - Throws: The first thing that is wrong with it.
  public init(parsing bytes: [UInt8]) throws(SafetensorsIndexError) {
    let json: JSON
    do throws(JSONError) {
      let limits = JSON.Limits(
        maximumDepth: 8, maximumValues: 3 * Self.tensorLimit, maximumBytes: Self.byteLimit)
      json = try JSON(parsing: bytes, limits: limits)
    } catch {
      if case .duplicateKey(let key, _) = error { throw .listedTwice(name: key) }
      throw .notJSON(error)
    }
    guard let map = json["weight_map"]?.objectValue else { throw .noWeightMap }
    var entries: [Entry] = [], shards: [String] = [], seen: Set<ExactString> = []
    for member in map {
      guard let shard = member.value.stringValue else { throw .shardNotNamed(tensor: member.key) }
      guard Self.isPlainName(shard) else { throw .pathEscapes(shard: shard) }
      entries.append(Entry(tensor: member.key, shard: shard))
      if seen.insert(ExactString(shard)).inserted { shards.append(shard) }
      if shards.count > Self.shardLimit { throw .tooManyShards(limit: Self.shardLimit) }
    }
    guard let first = json["metadata"]?["total_size"], !first.isNull else {
      (totalByteCount, self.entries, self.shards) = (nil, entries, shards)
      return
    }
    guard let total = first.intValue, total >= 0 else { throw .invalidTotal }
    (totalByteCount, self.entries, self.shards) = (total, entries, shards)
  }

  /// Whether a name is one of a file right in the folder.
  private static func isPlainName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == 0x2F || $0 == 0x5C || $0 == 0 }
  }

  /// As it would stand in a file.
  public var json: JSON {
    let total = totalByteCount.map { [JSON.Member("total_size", .integer(Int64($0)))] } ?? []
    return .object([
      JSON.Member("metadata", .object(total)),
      JSON.Member("weight_map", .object(entries.map { JSON.Member($0.tensor, .string($0.shard)) })),
    ])
  }
}

/// Says in which way an index over safetensors files, or one of the files, is not what it should be.
public enum SafetensorsIndexError: Error, Equatable, Sendable {
  case notJSON(JSONError)
  case noWeightMap
  case listedTwice(name: String)
  case shardNotNamed(tensor: String)
  case pathEscapes(shard: String)
  case tooManyShards(limit: Int)
  case invalidTotal
  // What the files turn out to be.
  case shardMissing(shard: String)
  case shard(String, SafetensorsError)
  case inWrongShard(tensor: String, listed: String, found: String)
  case inTwoShards(tensor: String, first: String, second: String)
  case notListed(tensor: String, shard: String)
  case notInShard(tensor: String, shard: String)
}

extension SafetensorsIndexError: CustomStringConvertible {
  public var description: String {
    func quoted(_ name: String) -> String { name.quotedForMessage }
    return "index of shards: "
      + {
        switch self {
        case .notJSON(let error): "it cannot be read: \(error)"
        case .noWeightMap: "it has no object \"weight_map\", which says where each tensor lies; get the file again"
        case .listedTwice(let name): "\(quoted(name)) is listed twice; remove one"
        case .shardNotNamed(let tensor): "tensor \(quoted(tensor)) has no file's name; write the name of its shard"
        case .pathEscapes(let shard):
          "\(quoted(shard)) is no name of a file in this folder; only such names are followed"
        case .tooManyShards(let limit): "it names more than \(limit) files; save the model in larger shards"
        case .invalidTotal: "\"total_size\" must be a whole number of at least 0; correct it or remove it"
        case .shardMissing(let shard): "the shard \(quoted(shard)) does not exist; get it again"
        case .shard(let shard, let error): "the shard \(quoted(shard)): \(error)"
        case .inWrongShard(let tensor, let listed, let found):
          "tensor \(quoted(tensor)) is listed in \(quoted(listed)), but lies in \(quoted(found)); get index and shards "
            + "again"
        case .inTwoShards(let tensor, let first, let second):
          "tensor \(quoted(tensor)) lies in \(quoted(first)) and in \(quoted(second)); get index and shards again"
        case .notListed(let tensor, let shard):
          "tensor \(quoted(tensor)) lies in \(quoted(shard)), but is not listed; get index and shards again"
        case .notInShard(let tensor, let shard):
          "tensor \(quoted(tensor)) is listed in \(quoted(shard)), but is not there; get index and shards again"
        }
      }()
  }
}
