/// Several sources of tokens, one after another.
public struct TokenSequence: TokenSource {
  private let parts: [any TokenSource]
  /// Where each part ends.
  private let ends: [Int]

  public init(_ parts: [any TokenSource]) {
    self.parts = parts
    var end = 0
    ends = parts.map { part in
      end += part.count
      return end
    }
  }

  public var count: Int { ends.last ?? 0 }
  public var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

  public func read(_ range: Range<Int>, into destination: inout MutableSpan<Int32>, at place: Int) throws {
    for index in parts.indices {
      let begin = index == 0 ? 0 : ends[index - 1]
      let own = range.clamped(to: begin..<ends[index])
      if own.isEmpty { continue }
      try parts[index].read(
        own.lowerBound - begin..<own.upperBound - begin, into: &destination, at: place + own.lowerBound - range.lowerBound)
    }
  }

  public func willRead(_ range: Range<Int>) {
    for index in parts.indices {
      let begin = index == 0 ? 0 : ends[index - 1], own = range.clamped(to: begin..<ends[index])
      if !own.isEmpty { parts[index].willRead(own.lowerBound - begin..<own.upperBound - begin) }
    }
  }
}
