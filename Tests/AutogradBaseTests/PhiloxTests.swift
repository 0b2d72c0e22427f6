import AutogradBase
import Testing

@Suite("Philox")
struct PhiloxTests {
  /// The known answers for philox4x32-10 in `kat_vectors` of the Random123 library.
  @Test("known answers of Random123")
  func knownAnswers() {
    let zeros = Philox.block(key: 0, counter: (0, 0, 0, 0))
    #expect(zeros == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    let ones = Philox.block(key: .max, counter: (.max, .max, .max, .max))
    #expect(ones == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    let pi = Philox.block(
      key: 0x299f_31d0_a409_3822, counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344))
    #expect(pi == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }
}

@Suite("RandomStream")
struct RandomStreamTests {
  @Test("words are those of the documented counters, low word first")
  func layout() {
    let step: UInt64 = 0x00AB_CDEF_0123_4567
    var stream = RandomStream(seed: 0x1122_3344_5566_7788, purpose: .dropout, step: step, ordinal: 9)
    for block in 0..<3 as Range<UInt32> {
      let words = Philox.block(
        key: 0x1122_3344_5566_7788, counter: (block, 9, 0x0123_4567, 0x03AB_CDEF))
      #expect(stream.next() == UInt64(words.1) << 32 | UInt64(words.0))
      #expect(stream.next() == UInt64(words.3) << 32 | UInt64(words.2))
    }
  }

  @Test("purposes have the numbers that checkpoints store")
  func purposes() {
    #expect(RandomPurpose.allCases.map(\.rawValue) == [1, 2, 3, 4, 5])
    #expect(RandomPurpose.sampling.rawValue == 5)
  }

  @Test("any other seed, purpose, step or ordinal is another stream")
  func distinct() {
    var streams = [RandomStream(seed: 1, purpose: .initialization)]
    streams.append(RandomStream(seed: 2, purpose: .initialization))
    streams.append(RandomStream(seed: 1 << 32, purpose: .initialization))
    streams.append(RandomStream(seed: 1, purpose: .dataOrder))
    streams.append(RandomStream(seed: 1, purpose: .initialization, step: 1))
    streams.append(RandomStream(seed: 1, purpose: .initialization, step: 1 << 32))
    streams.append(RandomStream(seed: 1, purpose: .initialization, ordinal: 1))
    var seen: Set<UInt64> = []
    for index in streams.indices {
      for _ in 0..<1000 { seen.insert(streams[index].next()) }
    }
    #expect(seen.count == 1000 * streams.count)
  }

  @Test("a copy goes on from where it was taken")
  func copies() {
    var stream = RandomStream(seed: 3, purpose: .sampling)
    _ = stream.normal()
    _ = stream.next()
    var copy = stream
    for _ in 0..<10 {
      #expect(stream.normal() == copy.normal())
      #expect(stream.next() == copy.next())
    }
  }

  @Test("uniform numbers lie in [0, 1) with the right moments")
  func uniform() {
    var stream = RandomStream(seed: 7, purpose: .dropout)
    let values = (0..<100_000).map { _ in stream.uniform() }
    #expect(values.allSatisfy { $0 >= 0 && $0 < 1 })
    let mean = values.reduce(0, +) / 1e5
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 1e5
    #expect(abs(mean - 0.5) < 0.005)
    #expect(abs(variance - 1.0 / 12) < 0.002)
    #expect(values.contains { ($0 * 0x1p53).truncatingRemainder(dividingBy: 2) == 1 }, "53 bits")
  }

  @Test("normal numbers have the right moments and tails, and pairs are independent")
  func normal() {
    var stream = RandomStream(seed: 7, purpose: .initialization)
    let values = (0..<100_000).map { _ in stream.normal() }
    #expect(values.allSatisfy { $0.isFinite })
    func moment(_ power: Int) -> Double {
      values.reduce(0) { sum, x in sum + (0..<power).reduce(1.0) { y, _ in y * x } } / 1e5
    }
    #expect(abs(moment(1)) < 0.02)
    #expect(abs(moment(2) - 1) < 0.03)
    #expect(abs(moment(3)) < 0.1)
    #expect(abs(moment(4) - 3) < 0.2)
    let products = stride(from: 0, to: values.count, by: 2).map { values[$0] * values[$0 + 1] }
    #expect(abs(products.reduce(0, +) / 5e4) < 0.03)
    let beyondTwo = Double(values.filter { abs($0) > 2 }.count) / 1e5
    #expect(abs(beyondTwo - 0.0455) < 0.004)
  }

  @Test("integers are below the bound and equally frequent", arguments: [1, 2, 3, 7, 10])
  func integers(bound: Int) {
    var stream = RandomStream(seed: 11, purpose: .dataOrder)
    var counts = [Int](repeating: 0, count: bound)
    for _ in 0..<bound * 10_000 { counts[stream.integer(below: bound)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 600 })
  }

  /// Without rejection 8 of 2⁶⁴ / 2⁶¹ products fall on each run of 3 values: the last of the run gets only 2.
  @Test("a bound that does not divide 2^64 is unbiased: rejection works")
  func rejection() {
    var stream = RandomStream(seed: 5, purpose: .dataOrder)
    let bound = 3 << 61
    let values = (0..<30_000).map { _ in stream.integer(below: bound) }
    #expect(values.allSatisfy { (0..<bound).contains($0) })
    for remainder in 0..<3 {
      let count = values.filter { $0 % 3 == remainder }.count
      #expect(abs(count - 10_000) < 500)
    }
  }

  @Test("a bound of 0 stops with a sentence")
  func zeroBound() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var stream = RandomStream(seed: 1, purpose: .sampling)
      _ = stream.integer(below: 0)
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("no integer lies in 0..<0"))
  }

  @Test("a step beyond 56 bits stops with a sentence")
  func largeStep() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = RandomStream(seed: 1, purpose: .sampling, step: 1 << 56)
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("does not fit 56 bits"))
  }
}
