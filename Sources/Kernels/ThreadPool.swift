public import CKernels
import CSystem
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Threads that run one kernel at a time over its range, in tiles claimed from a counter.
///
/// Who computes a tile cannot change its bits, so claiming needs no order. The caller works too. Between regions
/// the workers spin for a while and then sleep; a process that computes nothing uses no CPU.
///
/// Several callers may share a pool: who finds it busy runs its range alone. Safe after `fork`: the child starts
/// workers of its own when it first needs them.
public final class ThreadPool: Sendable {
  /// The pool that everything uses unless told otherwise: one thread per CPU that this process may use.
  public static let shared = ThreadPool()

  /// Threads that work on a region, the caller among them.
  public let threadCount: Int

  /// Workers sit on CPUs of their own. `AUTOGRAD_PIN=0` turns that off (several processes would collide).
  private let pinned: Bool
  private let workers: Workers
  private let busy = Atomic<Bool>(false)
  /// The count of forks for which workers are being started, and for which they run.
  private let startedFor = Atomic<Int>(-1)
  private let runningSince = Atomic<Int>(-1)

  /// - Parameter threads: Threads including the caller; nil takes one per CPU that this process may use.
  public init(threads: Int? = nil) {
    threadCount = max(1, min(threads ?? AvailableProcessors.count, 256))
    // SAFETY: getenv yields null or a terminated string, compared before anything could change it.
    pinned = unsafe getenv("AUTOGRAD_PIN").map { unsafe strcmp($0, "0") != 0 } ?? true
    workers = Workers()
    _ = forkGeneration  // registers the fork handler
  }

  deinit {
    // In a forked child the parent's workers do not exist and cannot be joined.
    let running = runningSince.load(ordering: .acquiring) == forkCount.load(ordering: .relaxed)
    workers.stop(joining: running)
  }

  /// Runs `function` over [0, count) in tiles of `grain` units.
  ///
  /// - Complexity: about 0.2 µs beyond the work itself while the workers are awake.
  @unsafe public func run(
    _ function: ck_function, _ arguments: UnsafeRawPointer, count: Int, grain: Int, scratch: Scratch
  ) {
    let before = csystem_enter_float_state()
    defer { csystem_restore_float_state(before) }
    let tiles = (count + grain - 1) / grain
    guard threadCount > 1, tiles > 1, tiles < Int(Workers.closed), enter() else {
      if count > 0 { unsafe function(arguments, 0, count, scratch.base) }
      return
    }
    unsafe workers.run(
      Region(function: function, arguments: arguments, count: count, grain: grain, scratch: scratch))
    busy.store(false, ordering: .releasing)
  }

  /// Ends the workers until the next region needs them; does nothing while a region runs.
  package func endWorkers() {
    let current = forkCount.load(ordering: .relaxed)
    guard runningSince.load(ordering: .acquiring) == current, !busy.exchange(true, ordering: .acquiring) else { return }
    workers.end()
    runningSince.store(-1, ordering: .releasing)
    busy.store(false, ordering: .releasing)
    startedFor.store(-1, ordering: .releasing)
  }

  /// Takes the pool, and starts the workers where this process has none yet.
  private func enter() -> Bool {
    let current = forkCount.load(ordering: .relaxed)
    if runningSince.load(ordering: .acquiring) == current {
      guard !busy.exchange(true, ordering: .acquiring) else { return false }
      if runningSince.load(ordering: .acquiring) == current { return true }
      // The workers were ended in between.
      busy.store(false, ordering: .releasing)
      return false
    }
    // First use, use after the workers were ended, or first use after a fork, when whoever held the pool does not exist in this process. One caller
    // starts the workers; others meanwhile run alone.
    let last = startedFor.load(ordering: .acquiring)
    guard last != current,
      startedFor.compareExchange(expected: last, desired: current, ordering: .acquiringAndReleasing).exchanged
    else { return false }
    if last == -1 {
      // In this process: somebody who saw the workers before they were ended may be looking again.
      while busy.exchange(true, ordering: .acquiring) { csystem_spin_hint() }
    } else {
      busy.store(true, ordering: .relaxed)
    }
    workers.start(count: threadCount - 1, pinned: pinned)
    runningSince.store(current, ordering: .releasing)
    return true
  }
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
  let scratch: Scratch
}

// Counts forks, so that a pool notices that it lives in a child and its workers do not.
private let forkCount = Atomic<Int>(0)
private let forkGeneration: Void = csystem_at_fork_child { forkCount.wrappingAdd(1, ordering: .relaxed) }
