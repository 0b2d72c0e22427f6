import AutogradText
import Synchronization

/// Tokens whose number is known before they are there: a run is planned and refused by it before its folder is touched.
final class DeferredTokens: TokenSource {
  let count: Int
  private let source = Mutex<(any TokenSource)?>(nil)

  init(count: Int) { self.count = count }

  var isThere: Bool { source.withLock { $0 != nil } }

  var byteCount: Int { source.withLock { $0 }?.byteCount ?? 0 }

  /// - Precondition: There are as many as was said.
  func fulfil(_ tokens: any TokenSource) {
    precondition(tokens.count == count)
    source.withLock { $0 = tokens }
  }

  func read(_ range: Range<Int>, into destination: inout MutableSpan<Int32>, at place: Int) throws {
    guard let source = source.withLock({ $0 }) else {
      fatalError("the tokens of a text are read before they were made; call RunTexts.prepare first")
    }
    try source.read(range, into: &destination, at: place)
  }

  func willRead(_ range: Range<Int>) { source.withLock { $0 }?.willRead(range) }
}
