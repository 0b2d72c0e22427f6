import CAutogradKernels
import Glibc
import Synchronization
import Testing

@testable import AutogradKernels

/// Counts how often each unit of a range ran.
private final class Counter: Sendable {
  let units: [Unit]
  final class Unit: Sendable { let runs = Atomic<Int>(0) }

  init(_ count: Int) { units = (0..<count).map { _ in Unit() } }

  /// Runs the range and tells whether every unit ran exactly once more.
  func run(_ pool: ThreadPool, grain: Int, expecting runs: Int) -> Bool {
    pool.run(
      { counter, begin, end, _ in
        let counter = Unmanaged<Counter>.fromOpaque(counter!).takeUnretainedValue()
        for unit in begin..<end { counter.units[unit].runs.wrappingAdd(1, ordering: .relaxed) }
      }, Unmanaged.passUnretained(self).toOpaque(), count: units.count, grain: grain,
      scratch: Scratch(base: nil, stride: 0))
    return units.allSatisfy { $0.runs.load(ordering: .relaxed) == runs }
  }
}

/// A region of two units, of which the caller's waits until a worker has begun the other, which is then held up.
private final class Holdup: Sendable {
  private let caller = pthread_self()
  private let begin = Atomic<UInt64>(0)
  private let hasBegun = Atomic<Bool>(false)
  private let holdsUp = Atomic<Bool>(false)

  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Whether a worker took a unit within `patience`.
  func run(_ pool: ThreadPool, holdingUp: Bool, patience: UInt64 = 200_000_000) -> Bool {
    hasBegun.store(false, ordering: .relaxed)
    holdsUp.store(holdingUp, ordering: .relaxed)
    begin.store(Holdup.now(), ordering: .releasing)
    self.patience.store(patience, ordering: .relaxed)
    pool.run(
      { holdup, _, _, _ in Unmanaged<Holdup>.fromOpaque(holdup!).takeUnretainedValue().unit() },
      Unmanaged.passUnretained(self).toOpaque(), count: 2, grain: 1, scratch: Scratch(base: nil, stride: 0))
    return hasBegun.load(ordering: .acquiring)
  }

  private let patience = Atomic<UInt64>(0)

  private func unit() {
    let elapsed = Holdup.now() - begin.load(ordering: .acquiring)
    guard pthread_equal(pthread_self(), caller) != 0 else {
      hasBegun.store(true, ordering: .releasing)
      if holdsUp.load(ordering: .relaxed) { usleep(UInt32(max(8_000_000, 20 * elapsed) / 1000)) }
      return
    }
    let deadline = begin.load(ordering: .relaxed) + patience.load(ordering: .relaxed)
    while !hasBegun.load(ordering: .acquiring), Holdup.now() < deadline { sched_yield() }
  }
}

/// Runs `body` on `count` threads at once.
private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  final class Start: Sendable {
    let index: Int
    let body: @Sendable (Int) -> Void
    init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) { (self.index, self.body) = (index, body) }
  }
  let threads = (0..<count).map { index in
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { start in
        let start = Unmanaged<Start>.fromOpaque(start!).takeRetainedValue()
        start.body(start.index)
        return nil
      }, Unmanaged.passRetained(Start(index, body)).toOpaque())
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}

// FE_TONEAREST and FE_UPWARD, which Swift cannot tell apart from constants of the same name.
private let nearest: Int32 = 0
#if arch(x86_64)
  private let upward: Int32 = 0x800
#else
  private let upward: Int32 = 0x40_0000
#endif

/// `fork`, which Swift does not import.
private func forked() -> pid_t {
  unsafeBitCast(dlsym(nil, "fork"), to: (@convention(c) () -> pid_t).self)()
}

@Suite("Thread pool", .serialized)
struct ThreadPoolTests {
  init() { setenv("SWIFT_BACKTRACE", "enable=no", 1) }

  @Test("runs every unit exactly once, for any count and grain", arguments: [1, 2, 3, 8])
  func coverage(threads: Int) {
    let pool = ThreadPool(threads: threads)
    #expect(pool.threadCount == threads)
    for count in [0, 1, 2, 7, 64, 1000] {
      let counter = Counter(count)
      for (turn, grain) in [1, 2, 3, 64, 999, 1000, 5000].enumerated() {
        #expect(counter.run(pool, grain: grain, expecting: turn + 1), "\(count) units in tiles of \(grain)")
      }
    }
  }

  @Test("more units than a region may have tiles")
  func manyUnits() {
    let pool = ThreadPool(threads: 3)
    for count in [65_535, 65_536, 200_001] {
      #expect(Counter(count).run(pool, grain: 1, expecting: 1), "\(count) units")
    }
  }

  @Test("100 000 regions one after another, and pauses long enough to fall asleep")
  func stress() {
    let pool = ThreadPool(threads: 3), counter = Counter(5)
    var complete = true
    for turn in 1...100_000 {
      complete = complete && counter.run(pool, grain: 1, expecting: turn)
      if turn % 10_000 == 0 { usleep(2000) }
    }
    #expect(complete)
  }

  @Test("workers take part in a pool's very first region")
  func firstRegion() {
    for _ in 0..<50 {
      let pool = ThreadPool(threads: 2), begun = Counter(2), waitedInVain = Counter(1)
      // Each unit waits until the other has begun: whoever ran both would wait in vain.
      pool.forEach(2) { unit in
        begun.units[unit].runs.wrappingAdd(1, ordering: .sequentiallyConsistent)
        for _ in 0..<2000 where begun.units[1 - unit].runs.load(ordering: .sequentiallyConsistent) == 0 { usleep(1000) }
        if begun.units[1 - unit].runs.load(ordering: .sequentiallyConsistent) == 0 {
          waitedInVain.units[0].runs.wrappingAdd(1, ordering: .relaxed)
        }
      }
      #expect(waitedInVain.units[0].runs.load(ordering: .relaxed) == 0)
    }
  }

  @Test("callers that share a pool, from its very first use, and pools side by side")
  func shared() {
    for _ in 0..<50 {
      let pools = [ThreadPool(threads: 2), ThreadPool(threads: 3)]
      let failures = Counter(1)
      onThreads(4) { caller in
        let counter = Counter(9)
        for turn in 1...200 where !counter.run(pools[caller % 2], grain: 1, expecting: turn) {
          failures.units[0].runs.wrappingAdd(1, ordering: .relaxed)
        }
      }
      #expect(failures.units[0].runs.load(ordering: .relaxed) == 0)
    }
  }

  @Test("a caller that a worker held up works alone for a while, and not for ever")
  func heldUp() {
    let pool = ThreadPool(threads: 2), holdup = Holdup()
    // On a machine that is busy a try can fail: the caller itself may lose its CPU for as long as it works alone.
    #expect((0..<200).contains { _ in
      holdup.run(pool, holdingUp: true) && !holdup.run(pool, holdingUp: false, patience: 2_000_000)
    })
    #expect((0..<20).contains { _ in
      usleep(300_000)
      return holdup.run(pool, holdingUp: false)
    })
  }

  @Test("a pool that is found busy runs serially, also from inside its own region")
  func busy() {
    final class Nest: Sendable {
      let pool = ThreadPool(threads: 2)
      let counter = Counter(100)
    }
    let nest = Nest()
    nest.pool.run(
      { nest, begin, end, _ in
        let nest = Unmanaged<Nest>.fromOpaque(nest!).takeUnretainedValue()
        for _ in begin..<end { _ = nest.counter.run(nest.pool, grain: 1, expecting: 0) }
      }, Unmanaged.passUnretained(nest).toOpaque(), count: 20, grain: 1,
      scratch: Scratch(base: nil, stride: 0))
    #expect(nest.counter.units.allSatisfy { $0.runs.load(ordering: .relaxed) == 20 })
  }

  @Test("each thread has scratch memory of its own")
  func scratch() {
    let pool = ThreadPool(threads: 3)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 128 * 3, alignment: 128)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: 128 * 3)
    defer { memory.deallocate() }
    let failures = Counter(1)
    for _ in 0..<200 {
      pool.run(
        { failures, _, _, scratch in
          let word = scratch!.assumingMemoryBound(to: Int.self)
          let mine = Int(bitPattern: pthread_self())
          word.pointee = mine
          for _ in 0..<50 { sched_yield() }
          let failures = Unmanaged<Counter>.fromOpaque(failures!).takeUnretainedValue()
          if word.pointee != mine { failures.units[0].runs.wrappingAdd(1, ordering: .relaxed) }
        }, Unmanaged.passUnretained(failures).toOpaque(), count: 6, grain: 1,
        scratch: Scratch(base: memory, stride: 128))
    }
    #expect(failures.units[0].runs.load(ordering: .relaxed) == 0)
  }

  @Test("kernels round to nearest whatever the caller's mode is, which stays as it was")
  func floatState() {
    let pool = ThreadPool(threads: 2)
    #expect(fesetround(upward) == 0)
    defer { fesetround(nearest) }
    let counter = Counter(1)
    pool.run(
      { counter, _, _, _ in
        let counter = Unmanaged<Counter>.fromOpaque(counter!).takeUnretainedValue()
        // The vector unit's mode, which these additions use: 1 + 2⁻⁶⁰ is 1 unless rounded upward.
        let tiny = Double(sign: .plus, exponent: -60, significand: Double(counter.units.count))
        if 1 + tiny == 1 { counter.units[0].runs.wrappingAdd(1, ordering: .relaxed) }
      }, Unmanaged.passUnretained(counter).toOpaque(), count: 64, grain: 1,
      scratch: Scratch(base: nil, stride: 0))
    #expect(counter.units[0].runs.load(ordering: .relaxed) == 64)
    #expect(fegetround() == upward)
  }

  @Test("works in a child after a fork, before and after the parent used it, and may be destroyed there")
  func fork() async {
    await #expect(processExitsWith: .success) {
      for used in [true, false] {
        var pool: ThreadPool? = ThreadPool(threads: 3)
        let counter = Counter(50)
        let before = used ? 1 : 0
        if used { precondition(counter.run(pool!, grain: 1, expecting: 1)) }
        for computes in [true, false] {
          let child = forked()
          if child == 0 {
            alarm(20)
            if computes {
              for turn in 1...100 {
                guard counter.run(pool!, grain: 1, expecting: before + turn) else { _exit(1) }
              }
            }
            pool = nil
            _exit(0)
          }
          var status: Int32 = -1
          waitpid(child, &status, 0)
          precondition(status == 0, "child ended with status \(status)")
        }
        precondition(counter.run(pool!, grain: 1, expecting: before + 1))
        pool = nil
      }
    }
  }

  @Test("an idle pool uses no CPU")
  func idle() async {
    await #expect(processExitsWith: .success) {
      func microseconds() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000
          + Int(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
      }
      let pool = ThreadPool(threads: 4), counter = Counter(50)
      precondition(counter.run(pool, grain: 1, expecting: 1))
      usleep(50_000)
      let before = microseconds()
      usleep(300_000)
      precondition(microseconds() - before < 15_000, "\(microseconds() - before) µs")
      precondition(counter.run(pool, grain: 1, expecting: 2))
    }
  }
}
