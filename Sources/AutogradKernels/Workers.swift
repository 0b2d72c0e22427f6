import CAutogradKernels
import CAutogradSystem
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The worker threads of a pool and the words through which they and the caller meet.
///
/// Every thread has a share of a region, the same part of the range each time (`Shares`): what it has written it finds
/// in its own caches when the next region reads it. It takes its own tiles from the front, and when they are gone, those
/// of others from the back. The caller never waits for a worker that sleeps: it waits for tiles.
///
/// Where another process has a worker's CPU, the worker may lose it in the middle of a tile, and everybody waits for as
/// long as the system lets the other one run: hundreds of regions. So after such a wait the caller works alone for a
/// while, and for longer each time that it happens again.
///
/// INVARIANT: a share's word holds the region's number and the tiles that are left. A region's fields are written only
/// when all shares of the one before are empty, and before its own shares are; a thread that takes a tile by
/// compare-and-swap therefore read the fields of that very region.
@safe struct Workers: @unchecked Sendable {
  /// Tiles that a share may have: two of their numbers share a word with the region's.
  static let mostTiles = 0xFFFF
  private static let stackBytes = 512 * 1024
  /// Spinning bridges the gaps between the operations of a step; beyond it a worker sleeps.
  private static let spinNanoseconds: UInt64 = 200_000
  /// A worker that is waited for so long, and twice as long as the caller worked on the region, has lost its CPU.
  private static let lostNanoseconds: UInt64 = 1_000_000
  /// How long the caller works alone, the first time and at most.
  private static let aloneNanoseconds: (first: UInt64, most: UInt64) = (16_000_000, 128_000_000)

  /// Each group of words that different threads write lies on cache lines of its own.
  private struct Shared: ~Copyable {
    /// The number of the region that was opened last.
    let opened = Atomic<UInt64>(0)
    let padding1 = InlineArray<15, UInt64>(repeating: 0)
    let done = Atomic<Int>(0)
    let padding2 = InlineArray<15, UInt64>(repeating: 0)
    let sleepers = Atomic<Int>(0)
    let stopping = Atomic<Bool>(false)
    let padding3 = InlineArray<14, UInt64>(repeating: 0)
    // The caller's own: until when it works alone, and for how long it did last.
    let aloneUntil = Atomic<UInt64>(0)
    let aloneFor = Atomic<UInt64>(0)
    // The region. Atomic because a worker may read it while the next one is being written; it then fails to claim.
    let function = Atomic<UInt>(0)
    let arguments = Atomic<UInt>(0)
    let scratch = Atomic<UInt>(0)
    let stride = Atomic<Int>(0)
  }

  /// A thread's share of the region, and in `word` what is left of it: the region's number, the first tile, and the one
  /// after the last.
  private struct Share: ~Copyable {
    let word = Atomic<UInt64>(0)
    let begin = Atomic<Int>(0)
    let end = Atomic<Int>(0)
    let step = Atomic<Int>(1)
    let padding = InlineArray<12, UInt64>(repeating: 0)
  }

  /// INVARIANT: allocated in `init`, never freed while a worker of this process may run; `stop` joins first.
  private let shared: UnsafeMutablePointer<Shared>
  /// INVARIANT: as `shared`; one for each thread.
  private let shares: UnsafeMutablePointer<Share>
  private let threadCount: Int
  /// The word that sleeping workers wait on.
  private let bell: UnsafeMutablePointer<Atomic<UInt32>>
  private let threads: Threads

  private final class Threads: Sendable {
    let handles = Mutex<[pthread_t]>([])
  }

  private struct Start {
    let workers: Workers
    let index: Int
    let cpu: Int32?
    /// The last region that was opened before the thread was made: the one after it is already its business.
    let finished: UInt64
  }

  init(threadCount: Int) {
    self.threadCount = threadCount
    unsafe shares = UnsafeMutablePointer.allocate(capacity: threadCount)
    for index in 0..<threadCount { unsafe (shares + index).initialize(to: Share()) }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<Shared>.size, alignment: 128)
    unsafe shared = memory.bindMemory(to: Shared.self, capacity: 1)
    unsafe shared.initialize(to: Shared())
    unsafe bell = UnsafeMutablePointer.allocate(capacity: 1)
    unsafe bell.initialize(to: Atomic(0))
    threads = Threads()
  }

  // MARK: The caller's side

  func run(_ region: Region) {
    let begin = csystem_nanoseconds()
    if unsafe begin < shared.pointee.aloneUntil.load(ordering: .relaxed) {
      return unsafe region.function(region.arguments, 0, region.count, region.scratch.base)
    }
    let number = (unsafe shared.pointee.opened.load(ordering: .relaxed) &+ 1) & 0xFFFF_FFFF
    let cut = unsafe Shares(
      count: region.count, grain: region.grain, multiple: region.multiple, threads: threadCount)
    var tiles = 0
    unsafe shared.pointee.function.store(unsafeBitCast(region.function, to: UInt.self), ordering: .relaxed)
    unsafe shared.pointee.arguments.store(UInt(bitPattern: region.arguments), ordering: .relaxed)
    unsafe shared.pointee.scratch.store(UInt(bitPattern: region.scratch.base), ordering: .relaxed)
    unsafe shared.pointee.stride.store(region.scratch.stride, ordering: .relaxed)
    unsafe shared.pointee.done.store(0, ordering: .relaxed)
    for index in 0..<threadCount {
      let share = cut[index], count = share.tiles
      unsafe shares[index].begin.store(share.begin, ordering: .relaxed)
      unsafe shares[index].end.store(share.end, ordering: .relaxed)
      unsafe shares[index].step.store(share.step, ordering: .relaxed)
      unsafe shares[index].word.store(Workers.word(number, 0, count), ordering: .releasing)
      tiles += count
    }
    unsafe shared.pointee.opened.store(number, ordering: .sequentiallyConsistent)
    if unsafe shared.pointee.sleepers.load(ordering: .sequentiallyConsistent) > 0 { ring() }

    work(number: number, worker: 0)
    awaitTiles(tiles, begin)
  }

  private func awaitTiles(_ tiles: Int, _ regionBegin: UInt64) {
    var spins = 0, begin: UInt64 = 0, yielded: UInt64 = 0
    while unsafe shared.pointee.done.load(ordering: .acquiring) < tiles {
      csystem_spin_hint()
      spins += 1
      guard spins % 4096 == 0 else { continue }
      let before = csystem_nanoseconds()
      if begin == 0 { begin = before }
      // A worker that lost its CPU in the middle of a tile is not helped by spinning on.
      sched_yield()
      yielded += csystem_nanoseconds() - before
    }
    // Without a tile of its own for each thread, nobody knows how long one takes.
    if begin > 0, tiles >= threadCount { noteWait(since: begin + yielded, worked: begin - regionBegin) }
  }

  /// - Parameter begin: When the wait began, and later by what others did with the caller's CPU meanwhile.
  private func noteWait(since begin: UInt64, worked: UInt64) {
    let now = csystem_nanoseconds(), last = unsafe shared.pointee.aloneFor.load(ordering: .relaxed)
    guard now - begin > max(Workers.lostNanoseconds, 2 * worked) else { return }
    let (first, most) = Workers.aloneNanoseconds
    // Soon after it worked alone, it was held up again.
    let again = unsafe now - shared.pointee.aloneUntil.load(ordering: .relaxed) < 2 * last
    let duration = again ? min(2 * last, most) : first
    unsafe shared.pointee.aloneFor.store(duration, ordering: .relaxed)
    unsafe shared.pointee.aloneUntil.store(now + duration, ordering: .relaxed)
  }

  private func ring() {
    unsafe bell.pointee.wrappingAdd(1, ordering: .releasing)
    unsafe csystem_wake(UnsafeRawPointer(bell).assumingMemoryBound(to: UInt32.self), Int32.max)
  }

  // MARK: Both sides

  private static func word(_ number: UInt64, _ first: Int, _ past: Int) -> UInt64 {
    number << 32 | UInt64(first) << 16 | UInt64(past)
  }

  /// Takes and runs tiles of region `number` until none is left.
  private func work(number: UInt64, worker: Int) {
    for offset in 0..<threadCount {
      let owner = (worker + offset) % threadCount
      work(number: number, worker: worker, owner: owner)
    }
  }

  /// Takes and runs tiles of one share: the thread's own from the front, another's from the back.
  private func work(number: UInt64, worker: Int, owner: Int) {
    var word = unsafe shares[owner].word.load(ordering: .acquiring)
    guard word >> 32 == number else { return }
    let function = unsafe unsafeBitCast(shared.pointee.function.load(ordering: .relaxed), to: ck_function?.self)
    let arguments = unsafe UnsafeRawPointer(bitPattern: shared.pointee.arguments.load(ordering: .relaxed))
    let share = unsafe Shares.Share(
      begin: shares[owner].begin.load(ordering: .relaxed), end: shares[owner].end.load(ordering: .relaxed),
      step: shares[owner].step.load(ordering: .relaxed))
    let scratch = unsafe UnsafeMutableRawPointer(bitPattern: shared.pointee.scratch.load(ordering: .relaxed))
    let stride = unsafe shared.pointee.stride.load(ordering: .relaxed)
    while word >> 32 == number {
      let first = Int(word >> 16 & 0xFFFF), past = Int(word & 0xFFFF)
      if first >= past { return }
      let isOwn = owner == worker, tile = isOwn ? first : past - 1
      let (exchanged, original) = unsafe shares[owner].word.weakCompareExchange(
        expected: word, desired: isOwn ? Workers.word(number, first + 1, past) : Workers.word(number, first, past - 1),
        ordering: .acquiringAndReleasing)
      word = original
      guard exchanged else { continue }
      let units = share[tile]
      unsafe function?(
        arguments, units.lowerBound, units.upperBound, scratch.map { unsafe $0 + worker * stride })
      unsafe shared.pointee.done.wrappingAdd(1, ordering: .releasing)
      word = unsafe shares[owner].word.load(ordering: .acquiring)
    }
  }

  // MARK: The workers' side

  private func workUntilStopped(as worker: Int, after region: UInt64) {
    _ = csystem_enter_float_state()
    var finished = region
    while true {
      let number = awaitRegion(after: finished)
      if unsafe shared.pointee.stopping.load(ordering: .acquiring) { return }
      work(number: number, worker: worker)
      finished = number
    }
  }

  /// Spins, then sleeps, until a region other than `finished` is open.
  private func awaitRegion(after finished: UInt64) -> UInt64 {
    var deadline = csystem_nanoseconds() + Workers.spinNanoseconds
    var spins = 0
    while true {
      if let number = openRegion(after: finished) { return number }
      if unsafe shared.pointee.stopping.load(ordering: .relaxed) { return finished }
      csystem_spin_hint()
      spins += 1
      guard spins % 64 == 0, csystem_nanoseconds() > deadline else { continue }
      let heard = unsafe bell.pointee.load(ordering: .sequentiallyConsistent)
      unsafe shared.pointee.sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
      // Announced first, looked second; the caller opens first, looks for sleepers second: one of them sees.
      if openRegion(after: finished) == nil, !(unsafe shared.pointee.stopping.load(ordering: .sequentiallyConsistent)) {
        unsafe csystem_wait(UnsafeRawPointer(bell).assumingMemoryBound(to: UInt32.self), heard)
      }
      unsafe shared.pointee.sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
      deadline = csystem_nanoseconds() + Workers.spinNanoseconds
    }
  }

  private func openRegion(after finished: UInt64) -> UInt64? {
    let number = unsafe shared.pointee.opened.load(ordering: .sequentiallyConsistent)
    return number != finished ? number : nil
  }

  // MARK: Start and stop

  /// Starts `count` workers; where a thread cannot be made, the pool works with fewer.
  func start(count: Int, pinned: Bool) {
    unsafe shared.pointee.sleepers.store(0, ordering: .relaxed)
    let cpus = pinned ? AvailableProcessors.others(count) : []
    let handles = (0..<count).compactMap { index in
      start(worker: index + 1, cpu: index < cpus.count ? cpus[index] : nil)
    }
    threads.handles.withLock { $0 = handles }
  }

  private func start(worker index: Int, cpu: Int32?) -> pthread_t? {
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setstacksize(&attributes, Workers.stackBytes)
    // INVARIANT: the box is freed by the thread that it starts, or here where none starts.
    let box = UnsafeMutablePointer<Start>.allocate(capacity: 1)
    unsafe box.initialize(
      to: Start(workers: self, index: index, cpu: cpu, finished: shared.pointee.opened.load(ordering: .relaxed)))
    var thread = pthread_t()
    let failed = unsafe pthread_create(&thread, &attributes, { argument in
      guard let box = unsafe argument?.assumingMemoryBound(to: Start.self) else { return nil }
      let start = unsafe box.move()
      unsafe box.deallocate()
      if let cpu = start.cpu { _ = csystem_pin_to_cpu(cpu) }
      start.workers.workUntilStopped(as: start.index, after: start.finished)
      return nil
    }, box)
    guard failed == 0 else {
      unsafe box.deinitialize(count: 1)
      unsafe box.deallocate()
      return nil
    }
    return thread
  }

  /// Ends the workers; `start` may follow.
  func end() {
    unsafe shared.pointee.stopping.store(true, ordering: .sequentiallyConsistent)
    ring()
    for thread in threads.handles.withLock({ $0 }) { pthread_join(thread, nil) }
    threads.handles.withLock { $0 = [] }
    unsafe shared.pointee.stopping.store(false, ordering: .sequentiallyConsistent)
  }

  /// Ends the workers and frees what they shared. Not `joining` where none was started by this process: a child
  /// after a fork has nobody to wait for.
  func stop(joining: Bool) {
    if joining { end() }
    unsafe shared.deinitialize(count: 1)
    unsafe UnsafeMutableRawPointer(shared).deallocate()
    unsafe shares.deinitialize(count: threadCount)
    unsafe shares.deallocate()
    unsafe bell.deinitialize(count: 1)
    unsafe bell.deallocate()
  }
}
