/// Tokens in a row that can be read from any place on: an array, or a file that need not fit in memory.
public protocol TokenSource: Sendable {
  var count: Int { get }
  /// What they take in memory; 0 unless told.
  var byteCount: Int { get }

  /// Copies the tokens of `range` to `destination`, from `place` on.
  ///
  /// - Throws: Where they cannot be read, or are none; the destination may have been overwritten then.
  /// - Precondition: The tokens exist, and the destination has room for them.
  /// - Complexity: O(tokens); allocates nothing.
  func read(_ range: Range<Int>, into destination: inout MutableSpan<Int32>, at place: Int) throws

  /// Hears that these tokens will be read soon, so that a disk can fetch them meanwhile. Does nothing unless told.
  func willRead(_ range: Range<Int>)
}

extension TokenSource {
  public var byteCount: Int { 0 }
  public func willRead(_ range: Range<Int>) {}
}

/// Tokens in memory.
extension Array: TokenSource where Element == Int32 {
  public var byteCount: Int { count * MemoryLayout<Int32>.size }

  public func read(_ range: Range<Int>, into destination: inout MutableSpan<Int32>, at place: Int) {
    for index in 0..<range.count { destination[place + index] = self[range.lowerBound + index] }
  }
}

/// A part of other tokens: the one to train on, or the one to check with.
public struct TokenSlice: TokenSource {
  private let base: any TokenSource
  private let start: Int
  public let count: Int
  /// Its share of what its base takes.
  public var byteCount: Int { base.byteCount == 0 ? 0 : count * MemoryLayout<Int32>.size }

  /// - Precondition: The range lies inside `base`.
  public init(_ base: any TokenSource, _ range: Range<Int>) {
    guard range.lowerBound >= 0, range.upperBound <= base.count else {
      fatalError("token slice: \(range) does not lie inside \(base.count) tokens")
    }
    (self.base, start, count) = (base, range.lowerBound, range.count)
  }

  public func read(_ range: Range<Int>, into destination: inout MutableSpan<Int32>, at place: Int) throws {
    try base.read(range.lowerBound + start..<range.upperBound + start, into: &destination, at: place)
  }

  public func willRead(_ range: Range<Int>) { base.willRead(range.lowerBound + start..<range.upperBound + start) }
}
