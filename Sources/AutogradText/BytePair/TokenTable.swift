/// The bytes of every token of a vocabulary, in one array; the index is the id.
///
/// An id without bytes is one that the vocabulary does not use: models have rows for such.
public struct TokenTable: Sendable, Equatable {
  private var bytes: [UInt8] = []
  /// Token i has the bytes `ends[i − 1]..<ends[i]`.
  private var ends: [Int] = []

  public init() {}

  /// - Complexity: O(bytes).
  public init(_ tokens: some Sequence<some Sequence<UInt8>>) {
    for token in tokens { append(token) }
  }

  /// How many ids there are.
  public var count: Int { ends.count }
  /// Bytes of all tokens together.
  public var byteCount: Int { bytes.count }

  public mutating func reserveCapacity(tokens: Int, bytes byteCount: Int) {
    ends.reserveCapacity(tokens)
    bytes.reserveCapacity(byteCount)
  }

  /// Adds a token, whose id is the old `count`.
  public mutating func append(_ token: some Sequence<UInt8>) {
    bytes.append(contentsOf: token)
    ends.append(bytes.count)
  }

  /// The bytes of a token.
  ///
  /// - Precondition: `id` lies in 0..<`count`.
  public subscript(id: Int) -> ArraySlice<UInt8> { bytes[range(of: id)] }

  /// How many bytes a token has.
  ///
  /// - Precondition: `id` lies in 0..<`count`.
  public func length(of id: Int) -> Int { range(of: id).count }

  private func range(of id: Int) -> Range<Int> { (id == 0 ? 0 : ends[id - 1])..<ends[id] }

  /// Whether a token has exactly these bytes.
  func hasBytes(_ other: UnsafeBufferPointer<UInt8>, at id: Int) -> Bool {
    let range = range(of: id)
    guard range.count == other.count else { return false }
    return unsafe bytes.withUnsafeBufferPointer { unsafe UnsafeBufferPointer(rebasing: $0[range]).elementsEqual(other) }
  }
}
