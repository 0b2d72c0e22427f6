public import CAutogradKernels
import CAutogradSystem
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Threads that run one kernel at a time over its range, in tiles that they take, each from its own share first.
///
/// Who computes a tile cannot change its bits, so claiming needs no order. The caller works too. Between regions
/// the workers spin for a while and then sleep; a process that computes nothing uses no CPU.
///
/// Several callers may share a pool: who finds it busy runs its range alone. Safe after `fork`: the child starts
/// workers of its own when it first needs them.
public final class ThreadPool: Sendable {
  /// The pool that everything uses unless told otherwise: one thread per CPU that this process may use.
  public static let shared = ThreadPool()

  /// The most threads that a pool has.
  package static let mostThreads = 256

  /// Threads that work on a region, the caller among them.
  public let threadCount: Int

  /// Workers sit on CPUs of their own. `AUTOGRAD_PIN=0` turns that off (several processes would collide).
  private let pinned: Bool
  private let workers: Workers
  /// Twice the process that the workers were started in (`ownProcess`; 0 before), plus 1 while a caller holds the
  /// pool. One word: who starts the workers holds the pool from the same moment on.
  private let state = Atomic<Int>(0)

  /// - Parameter threads: Threads including the caller; nil takes one per CPU that this process may use.
  public init(threads: Int? = nil) {
    threadCount = max(1, min(threads ?? AvailableProcessors.count, ThreadPool.mostThreads))
    // INVARIANT: getenv yields null or a terminated string, compared before anything could change it.
    pinned = unsafe getenv("AUTOGRAD_PIN").map { unsafe strcmp($0, "0") != 0 } ?? true
    workers = Workers(threadCount: threadCount)
    _ = forkGeneration  // registers the fork handler
  }

  deinit { workers.stop(joining: state.load(ordering: .acquiring) / 2 == ownProcess) }

  /// Runs `function` over [0, count) in tiles of about `grain` units, cut at multiples of `multiple`.
  ///
  /// INVARIANT: arguments and scratch are the caller's, who stays in here until the last tile is done; tiles cover
  /// [0, count) once, and each thread that takes one has its own `stride` bytes of scratch, or there are none.
  ///
  /// - Complexity: about 0.2 µs beyond the work itself while the workers are awake.
  @unsafe public func run(
    _ function: ck_function, _ arguments: UnsafeRawPointer, count: Int, grain: Int, multiple: Int = 1, scratch: Scratch
  ) {
    let before = csystem_enter_float_state()
    defer { csystem_restore_float_state(before) }
    let grain = max(grain, (count + Workers.mostTiles - 1) / Workers.mostTiles)
    guard threadCount > 1, count > grain, enter() else {
      if count > 0 { unsafe function(arguments, 0, count, scratch.base) }
      return
    }
    unsafe workers.run(
      Region(
        function: function, arguments: arguments, count: count, grain: grain, multiple: multiple, scratch: scratch))
    state.store(ownProcess * 2, ordering: .releasing)
  }

  /// Ends the workers until the next region needs them; does nothing while a region runs.
  package func endWorkers() {
    let free = ownProcess * 2
    guard state.compareExchange(expected: free, desired: free + 1, ordering: .acquiring).exchanged else { return }
    workers.end()
    state.store(0, ordering: .releasing)
  }

  /// Takes the pool unless another caller holds it, and starts the workers where this process has none yet.
  private func enter() -> Bool {
    let free = ownProcess * 2, seen = state.load(ordering: .relaxed)
    if seen == free {
      return state.compareExchange(expected: free, desired: free + 1, ordering: .acquiring).exchanged
    }
    // Held; or first use, first use after the workers were ended, or first use after a fork, in which case whoever
    // held the pool does not exist here.
    guard seen / 2 != ownProcess,
      state.compareExchange(expected: seen, desired: free + 1, ordering: .acquiring).exchanged
    else { return false }
    workers.start(count: threadCount - 1, pinned: pinned)
    return true
  }

  /// Counts forks, from 1: a pool notices that it lives in a child and its workers do not.
  private var ownProcess: Int { forkCount.load(ordering: .relaxed) }
}

/// Memory for the threads of one caller: `stride` bytes each.
@unsafe public struct Scratch {
  public let base: UnsafeMutableRawPointer?
  public let stride: Int
}

/// One kernel over one range.
@unsafe struct Region {
  let function: ck_function
  let arguments: UnsafeRawPointer
  let count: Int
  let grain: Int
  let multiple: Int
  let scratch: Scratch
}

private let forkCount = Atomic<Int>(1)
private let forkGeneration: Void = csystem_at_fork_child { forkCount.wrappingAdd(1, ordering: .relaxed) }
