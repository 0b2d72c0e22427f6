import AutogradBase

/// What a GGUF file says about itself, key by key, in the order of the file.
///
/// Keys compare by bytes.
public struct GGUFMetadata: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    public let key: String
    public var value: GGUFValue

    public init(_ key: String, _ value: GGUFValue) { (self.key, self.value) = (key, value) }

    public static func == (a: Entry, b: Entry) -> Bool { a.key.hasSameBytes(as: b.key) && a.value == b.value }
  }

  public private(set) var entries: [Entry] = []
  private var places: [ExactString: Int] = [:]

  public init() {}

  /// - Precondition: No key stands twice; otherwise stops and prints it.
  public init(_ entries: [Entry]) {
    for entry in entries {
      guard append(entry) else { fatalError("GGUF: the key \(entry.key.quotedForMessage) stands twice") }
    }
  }

  /// Adds a value at the end; false where its key is there already, which changes nothing.
  mutating func append(_ entry: Entry) -> Bool {
    guard places.updateValue(entries.count, forKey: ExactString(entry.key)) == nil else { return false }
    entries.append(entry)
    return true
  }

  /// The value of a key. A new one is put at the end, one that is there keeps its place; nil removes.
  public subscript(key: String) -> GGUFValue? {
    get { places[ExactString(key)].map { entries[$0].value } }
    set {
      let place = places[ExactString(key)]
      switch (place, newValue) {
      case (let place?, let value?): entries[place].value = value
      case (nil, let value?): _ = append(Entry(key, value))
      case (let place?, nil):
        let rest = entries.indices.filter { $0 != place }.map { entries[$0] }
        self = GGUFMetadata(rest)
      case (nil, nil): break
      }
    }
  }

  public static func == (a: GGUFMetadata, b: GGUFMetadata) -> Bool { a.entries == b.entries }
}
