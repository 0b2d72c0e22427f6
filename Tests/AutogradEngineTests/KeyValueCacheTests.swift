import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// What a caller of a cache may get wrong, and what it must not notice.
@Suite("Key-value cache") struct KeyValueCacheTests {
  init() { silenceCrashReports() }

  private static func cache(_ tape: Tape<Float>, capacity: Int = 20) -> KeyValueCache<Float> {
    KeyValueCache(
      CacheSizes(layerCount: 1, sequenceCount: 2, capacity: capacity, keyValueHeadCount: 2, headSize: 3), tape: tape)
  }

  /// Attention of `rows` rows of random queries, keys and values, after which the pass is complete.
  private static func attend(
    _ tape: Tape<Float>, _ cache: KeyValueCache<Float>, _ rows: Int, sequence: Int = 0, layer: Int = 0, heads: Int = 2
  ) -> [Float] {
    let pass = cache.pass([(sequence, rows)])
    let y = tape.step { tape in
      tape.inference {
        let x = tape.input(randomTensor([1, rows, 3 * heads * 3], seed: 3)), tokens = tape.plainTokens(rows)
        return x.causalAttention(
          headCount: heads, positions: pass.positions(beside: tokens), through: pass.layer(layer)
        ).array
      }
    }
    cache.complete(pass)
    return y
  }

  @Test("a pass equals attention over the text, and stale memory is never read")
  func stale() {
    let tape = Tape<Float>(), cache = KeyValueCacheTests.cache(tape), other = KeyValueCacheTests.cache(tape)
    let first = KeyValueCacheTests.attend(tape, cache, 20)
    let expected = tape.step { tape in
      tape.inference { tape.input(randomTensor([1, 20, 18], seed: 3)).causalAttention(headCount: 2).array }
    }
    #expect(first == expected)
    cache.truncate(0, to: 0)
    #expect(KeyValueCacheTests.attend(tape, cache, 7) == KeyValueCacheTests.attend(tape, other, 7))
    cache.copyPrefix(of: 0, to: 1, count: 5)
    #expect(cache.lengths == [7, 5])
    other.truncate(0, to: 5)
    let own = KeyValueCacheTests.attend(tape, cache, 3, sequence: 1)
    #expect(own == KeyValueCacheTests.attend(tape, other, 3))
  }

  @Test("texts that are not there, lengths that they have not, too many tokens")
  func lengths() async throws {
    let core = KeyValueCacheTests.cache(Tape<Float>()).core
    func sentence(_ body: () throws(Misuse) -> Void) -> String? {
      do {
        try body()
        return nil
      } catch { return "\(error)" }
    }
    #expect(sentence { () throws(Misuse) in try core.truncate(2, to: 0) } == "KeyValueCache: there is no text 2 in a cache of 2; they are counted from 0")
    #expect(sentence { () throws(Misuse) in try core.truncate(0, to: 1) } == "KeyValueCache: text 0 has 0 tokens and cannot be cut off behind 1")
    #expect(sentence { () throws(Misuse) in try core.copyPrefix(of: 0, to: 1, count: 1) } == "KeyValueCache: text 0 has 0 tokens, not the 1 that were to be copied")
    #expect(sentence { () throws(Misuse) in _ = try CachePassCore(core, [(0, 0, 0)]) } == "KeyValueCache: text 0 goes on by 0 tokens; give 1 or more")
    #expect(sentence { () throws(Misuse) in _ = try CachePassCore(core, [(0, 1, 0), (0, 1, 0)]) } == "KeyValueCache: text 0 goes on twice in one pass; give its tokens together")
    #expect(sentence { () throws(Misuse) in _ = try CachePassCore(core, [(0, 11, 10)]) } == "KeyValueCache: text 0 of 10 tokens has no room for 11 more: the cache keeps 20; truncate it, or make the cache larger")
    let pass = try CachePassCore(core, [(0, 2, 0)])
    #expect(sentence { () throws(Misuse) in try core.complete(pass) } == nil)
    #expect(sentence { () throws(Misuse) in try core.complete(pass) }?.contains("goes on with text 0 at token 0, and it has 2") == true)
  }

  @Test("kept keys have no gradient: a step that records stops")
  func recording() async throws {
    try expectSentence(
      "causalAttention: kept keys and values have no gradient; go through a cache inside tape.inference { … }",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>(), cache = KeyValueCacheTests.cache(tape), pass = cache.pass([(0, 1)])
        tape.step { tape in
          let tokens = tape.plainTokens(1)
          _ = tape.input([Float](repeating: 0, count: 18), shape: [1, 1, 18]).causalAttention(
            headCount: 2, positions: pass.positions(beside: tokens), through: pass.layer(0))
        }
      })
  }

  @Test("another layer, other heads, other rows, positions that are not the pass's")
  func fits() async throws {
    try expectSentence(
      "causalAttention: there is no layer 1 in a cache of 1",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>()
        _ = KeyValueCacheTests.attend(tape, KeyValueCacheTests.cache(tape), 2, layer: 1)
      })
    try expectSentence(
      "causalAttention: the cache keeps 2 heads of 3 columns; [1, 2, 27] makes 3 of 3",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>()
        _ = KeyValueCacheTests.attend(tape, KeyValueCacheTests.cache(tape), 2, heads: 3)
      })
    try expectSentence(
      "causalAttention: a pass of 3 rows takes queries, keys and values [1, 3, columns]; got [1, 2, 18]",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>(), pass = KeyValueCacheTests.cache(tape).pass([(0, 3)])
        tape.step { tape in
          tape.inference {
            _ = tape.input([Float](repeating: 0, count: 36), shape: [1, 2, 18]).causalAttention(
              headCount: 2, positions: tape.plainTokens(2), through: pass.layer(0))
          }
        }
      })
    try expectSentence(
      "causalAttention: row 1 of the pass stands at 1, its position says 0; give the positions of the pass",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>(), pass = KeyValueCacheTests.cache(tape).pass([(0, 2)])
        tape.step { tape in
          tape.inference {
            _ = tape.input([Float](repeating: 0, count: 36), shape: [1, 2, 18]).causalAttention(
              headCount: 2, positions: tape.plainTokens(2), through: pass.layer(0))
          }
        }
      })
  }

  @Test("a cache for one precision is refused by another")
  func precision() async throws {
    guard Backend().multipliesPairs else { return }
    try expectSentence(
      "causalAttention: the cache was made for another instruction set or precision than this tape's",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>(), cache = KeyValueCacheTests.cache(tape)
        tape.matmulPrecision = .bfloat16
        _ = KeyValueCacheTests.attend(tape, cache, 2)
      })
  }
}

extension Tape where Scalar == Float {
  /// One row of zeros.
  fileprivate func plainTokens(_ count: Int) -> Tokens { tokens([Int32](repeating: 0, count: count), shape: [1, count]) }
}
