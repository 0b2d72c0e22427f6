import AutogradBase
import Glibc
import AutogradTestSupport
import Testing

@testable import AutogradEngine

@Suite("Arena")
struct ArenaTests {
  /// A block with the byte that fills it.
  private struct Block {
    let start: UnsafeMutableRawPointer
    let size: Int
    let pattern: UInt8

    func fill() { unsafe start.initializeMemory(as: UInt8.self, repeating: pattern, count: size) }
    var isIntact: Bool {
      // All bytes equal their successor, and the first is right: one comparison, quick in debug builds.
      size == 0 || (unsafe start.load(as: UInt8.self) == pattern && memcmp(start, start + 1, size - 1) == 0)
    }
  }

  @Test("random programs: blocks are aligned, do not overlap, and keep their bytes", arguments: 0..<12)
  func programs(seed: Int) throws {
    var random = RandomStream(seed: UInt64(seed), purpose: .evaluation)
    let arena = Arena(), counting = Arena(simulated: true)
    var live: [Block] = [], marks: [(Arena.Mark, Arena.Mark, live: Int, used: Int)] = []
    for turn in 0..<400 {
      switch random.integer(below: 10) {
      case 0:
        marks.append((arena.mark(), counting.mark(), live.count, arena.statistics.used))
      case 1 where !marks.isEmpty:
        // Marks nest: going back to one makes the later ones void.
        marks.removeLast(random.integer(below: marks.count))
        let mark = marks.removeLast()
        #expect(live.allSatisfy { $0.isIntact })
        arena.rewind(to: mark.0)
        counting.rewind(to: mark.1)
        live.removeLast(live.count - mark.live)
        #expect(arena.statistics.used == mark.used)
      case 2 where turn % 7 == 0:
        #expect(live.allSatisfy { $0.isIntact })
        arena.reset()
        counting.reset()
        live = []
        marks = []
        #expect(arena.statistics.used == 0)
        #expect(arena.statistics.chunks <= 1)
      default:
        let size = [0, 1, 63, 64, 65, 4096, 30_000][random.integer(below: 7)] + random.integer(below: 50)
        let start = try #require(unsafe arena.allocate(size))
        _ = unsafe counting.allocate(size)
        #expect(UInt(bitPattern: start) % 64 == 0)
        let block = Block(start: start, size: size, pattern: UInt8(turn % 251))
        for other in live {
          #expect(unsafe start >= other.start + max(1, other.size) || start + max(1, size) <= other.start)
        }
        block.fill()
        live.append(block)
      }
      #expect(
        arena.statistics.used == counting.statistics.used && arena.statistics.peak == counting.statistics.peak
      )
      #expect(arena.statistics.reserved >= arena.statistics.used)
    }
    #expect(live.allSatisfy { $0.isIntact })
  }

  @Test(
    "what overflowed into several chunks is one chunk from the next reset on, large enough for the same step")
  func consolidation() {
    let arena = Arena()
    func step() { for size in 1...60 { _ = unsafe arena.allocate(size * 5000) } }
    step()
    #expect(arena.statistics.chunks > 1)
    arena.reset()
    let reserved = arena.statistics.reserved
    #expect(arena.statistics.chunks == 1)
    #expect(reserved >= arena.statistics.peak && reserved < arena.statistics.peak + 4096)
    for _ in 0..<5 {
      step()
      #expect(arena.statistics.chunks == 1 && arena.statistics.reserved == reserved)
      arena.reset()
    }
  }

  @Test("100 000 steps of changing size leave chunks and bytes constant")
  func manySteps() {
    let arena = Arena()
    for _ in 0..<2 {
      for _ in 0..<30 { _ = unsafe arena.allocate(100_000) }
      arena.reset()
    }
    let before = arena.statistics
    for step in 0..<100_000 {
      for _ in 0..<step % 30 { _ = unsafe arena.allocate(100_000) }
      arena.reset()
    }
    let after = arena.statistics
    #expect(after.chunks == 1 && after.reserved == before.reserved && after.peak == before.peak)
    #expect(after.resets == before.resets + 100_000)
  }

  @Test(
    "sizes around powers of two neither overflow nor succeed beyond memory",
    arguments: [31, 32, 59, 60, 61, 62])
  func sizes(power: Int) {
    for size in [(1 << power) - 1, 1 << power, (1 << power) + 1, (1 << power) + 65] {
      let arena = Arena(simulated: true)
      for _ in 0..<3 {
        let before = arena.statistics.used
        if unsafe arena.allocate(size) != nil {
          #expect(size <= 1 << 60)
          #expect(arena.statistics.used - before >= size && (arena.statistics.used - before) % 64 == 0)
        } else {
          #expect(power >= 59)
          #expect(arena.statistics.used == before)
        }
      }
      let limited = Arena(byteLimit: 1 << 20)
      #expect(unsafe limited.allocate(size) == nil)
      #expect(limited.statistics.used == 0 && limited.statistics.reserved == 0)
    }
    let arena = Arena()
    #expect(unsafe arena.allocate(.max) == nil)
    #expect(unsafe arena.allocate(1 << 59) == nil)
    #expect(unsafe arena.allocate(64) != nil)
  }

  @Test("the limit counts blocks: what just fits is granted, one block more is not")
  func limit() {
    let arena = Arena(byteLimit: 64 * 10)
    for _ in 0..<10 { #expect(unsafe arena.allocate(1) != nil) }
    #expect(unsafe arena.allocate(0) == nil)
    arena.reset()
    #expect(unsafe arena.allocate(64 * 10) != nil)
  }

  @Test("reserve maps one piece, once, and not while something is in use")
  func reserve() {
    let arena = Arena()
    #expect(arena.reserve(3 << 20))
    #expect(arena.statistics.chunks == 1 && arena.statistics.reserved >= 3 << 20)
    #expect(arena.reserve(1 << 20))
    #expect(arena.statistics.reserved >= 3 << 20)
    _ = unsafe arena.allocate(1)
    #expect(!arena.reserve(9 << 20))
    arena.reset()
    #expect(!arena.reserve(1 << 59))
    #expect(unsafe arena.allocate(1) != nil)
  }
}

@Suite("Shapes")
struct ShapeTests {
  @Test("counts near the limits are checked, negative lengths named")
  func validated() throws {
    let fits: [[Int]] = [[1 << 31], [1 << 31, 1 << 24], [0, 1 << 40], [], [0], [(1 << 56) - 1]]
    for lengths in fits { #expect(try Shape(lengths).validated("test") == Shape(lengths)) }
    let tooLarge: [[Int]] = [
      [1 << 32, 1 << 32], [1 << 62, 4], [.max], [.max, .max], [1 << 31, 1 << 31], [1 << 56], [0, 1 << 62],
    ]
    for lengths in tooLarge {
      let error = #expect(throws: Misuse.self) { _ = try Shape(lengths).validated("test") }
      #expect(error?.description.contains("more elements than any memory holds") == true)
    }
    let error = #expect(throws: Misuse.self) { _ = try Shape([2, -1]).validated("test") }
    #expect(error?.description == "test: shape [2, -1] has a negative length")
  }

  @Test("shapes print, compare, and are indexed from both ends")
  func basics() {
    let shape = Shape([2, 3, 4])
    #expect(shape.description == "[2, 3, 4]" && Shape([]).description == "[]")
    #expect(shape[0] == 2 && shape[-1] == 4 && shape.count == 24)
    #expect(shape != Shape([2, 3, 4, 1]) && shape == Shape([2, 3, 4]))
  }
}
