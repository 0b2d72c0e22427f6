import AutogradBase
import Foundation
import AutogradKernels
import Testing

@Suite("Measuring") struct MeasuringTests {
  @Test("wider vectors have a higher peak, and no product exceeds its own")
  func ceiling() throws {
    var last = 0.0
    for set in InstructionSet.available {
      let backend = Backend(instructionSet: set, pool: ThreadPool(threads: 1))
      let peak = try #require((0..<5).compactMap { _ in backend.peak(.float32) }.max())
      // AVX-512 may run at half the rate per instruction.
      #expect(peak > 0.9 * last)
      last = peak
      let timing = try #require(backend.timeProduct(ProductShape(m: 192, n: 192, k: 192), .right, repeats: 5))
      #expect(timing.bestShare > 0.1)
      #expect(timing.bestShare < 1.1)
    }
  }

  /// AMD's processors take a dot product of pairs as fast as a multiply-add, Intel's a quarter as fast.
  @Test("bfloat16 has a peak only with the instruction: up to twice float32's, at least a third")
  func bfloat16() throws {
    for set in InstructionSet.available {
      let backend = Backend(instructionSet: set, pool: ThreadPool(threads: 1))
      guard let peak = backend.peak(.bfloat16) else { continue }
      #expect(set == .avx512)
      let ratio = peak / (try #require(backend.peak(.float32)))
      #expect(ratio > 1.0 / 3 && ratio < 2.5)
    }
  }

  @Test("shares are medians of neighbours' ratios; the best share is fastest over highest")
  func shares() {
    let timing = ProductTiming(seconds: [2, 1, 4], peaks: [10, 16, 4], flops: 8)
    #expect(timing.rate == 4)
    #expect(timing.share == 0.5)
    #expect(timing.bestShare == 0.5)
    #expect(ProductShape(m: 2, n: 3, k: 5).flops == 60)
  }

  @Test("streams move bytes, regions cost time", arguments: [1, 2])
  func regions(_ threads: Int) throws {
    let backend = Backend(pool: ThreadPool(threads: threads))
    for stream in MemoryStream.allCases {
      let rates = try #require(backend.bandwidth(stream, bytes: 1 << 20, repeats: 3))
      #expect(rates.count == 3)
      #expect(rates.allSatisfy { $0 > 1e6 && $0.isFinite })
    }
    let cost = backend.regionCost(repeats: 20)
    #expect(cost.empty > 0 && cost.empty.isFinite)
    #expect(cost.beyondWork.isFinite)
  }

  @Test("a thread's clock stands while it sleeps, the wall's does not")
  func clocks() {
    let wall = Stopwatch(.wall), thread = Stopwatch(threads: 1)
    Thread.sleep(forTimeInterval: 0.05)
    #expect(thread.seconds < 0.04)
    #expect(wall.seconds >= 0.05)
  }

  @Test("the system tells how much memory it has, and how much of it is left")
  func memory() throws {
    let all = try #require(SystemFacts.memoryBytes), available = try #require(SystemFacts.availableMemoryBytes)
    #expect(available > 1 << 20 && available < all)
  }
}
