import AutogradEngine
import CAutogradV2
import CAutogradSystem
import AutogradKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What a program works in: a tape's core in double precision, the headers that C sees, and settings.
///
/// A context belongs to one thread at a time. Its step, which is C's iteration, begins when it opens and at each reset.
final class Context {
  /// No other open context has it, nor one that closed lately.
  let number: UInt32
  let core: TapeCore
  var headers: HeaderRing
  /// INVARIANT: cells, given back by `close`.
  let tape: UnsafeMutablePointer<TapeV2>
  let arenaHandle: UnsafeMutablePointer<ArenaHandle>
  /// The thread that uses it; 0 where none does.
  var thread: UInt = 0

  var lists = TapeLists()
  /// Functions of the program's that are being called, one in the other.
  var callouts = GrowingTable<Callout>(capacity: 8)
  /// An inner one of them was left by an exception or a longjmp.
  var isTorn = false
  /// The step that began when that ended the one before; 0: none.
  var tornStep: UInt64 = 0
  /// The gradient check that is running.
  var check: GradientsInCheck?
  /// Parameters whose gradients this context looks after: those which a backward does not reach are cleared after it.
  var written = GrowingTable<Unmanaged<ParameterCore>>(capacity: 256)
  /// What recorded operations computed with, where AUTOGRAD_CHECK=1.
  var fingerprints = GrowingTable<Fingerprint>(capacity: 64)
  var accumulates = false
  var isWalking = false
  var parts = RunningParts()
  var isRecording = true
  /// Gradients are incomplete: a backward of this iteration failed.
  var hasFailedBackward = false
  var findsAnomalies = false
  let checksInputs: Bool
  let poisons: Bool
  /// The step of the last error that the program has not cleared, so that NULL arguments that follow from it are passed
  /// on silently; 0: none.
  var errorStep: UInt64 = 0

  var seed: UInt64
  /// How often random numbers were drawn for each purpose.
  var draws = RandomDraws()

  init?(number: UInt32) {
    guard let tape = Cells.take(TapeV2.self, .tape) else { return nil }
    guard let arenaHandle = Cells.take(ArenaHandle.self, .arena) else {
      _ = Cells.giveBack(tape, .tape)
      return nil
    }
    self.number = number
    seed = Context.firstSeed(number)
    let backend = Backend()
    backend.stopsWithoutMemory = false
    core = TapeCore(type: .float64, backend: backend, byteLimit: nil)
    poisons = Context.isOn("AUTOGRAD_POISON")
    checksInputs = Context.isOn("AUTOGRAD_CHECK")
    headers = HeaderRing(unmaps: poisons)
    self.tape = tape
    self.arenaHandle = arenaHandle
    arenaHandle.initialize(to: ArenaHandle(context: number, arena: Unmanaged.passUnretained(core.arena)))
    core.arena.poisoning = poisons ? .signallingNaN : .sanitizer
    core.seed = seed
    core.resultLimit = Context.largestTensor
    core.memoryHint = "call autograd_reset_iteration() after every iteration, make the model or the batch smaller, or "
      + "raise autograd_set_memory_limit"
    tape.pointee.private_kind = HeaderKind.tape
    tape.pointee.private_context = number
    core.customBackward = { [unowned self] record throws(Misuse) in try runCustomBackward(record) }
    core.afterWalking = { [unowned self] record throws(Misuse) in
      try checkMemory("backward")
      if findsAnomalies { try checkGradients(record) }
    }
    core.restartRandom(step: 0)
    do throws(Misuse) {
      try core.beginStep()
      try core.reserve(operations: 64, "context")
    } catch {
      close()
      return nil
    }
    guard lists.add(tape) else {
      close()
      return nil
    }
  }

  /// The seed of the context that was opened as the `number`th: 1337 for the first one of the process, then others, so
  /// that threads do not draw the same numbers.
  private static func firstSeed(_ number: UInt32) -> UInt64 { 1337 &+ UInt64(number - 1) &* 0x9E37_79B9_7F4A_7C15 }

  private static func isOn(_ name: String) -> Bool {
    // getenv yields null or a terminated string, compared at once.
    getenv(name).map { strcmp($0, "0") != 0 && $0.pointee != 0 } ?? false
  }

  /// Ends the iteration and begins the next.
  func reset() throws(Misuse) {
    try requireIdle("reset when it has returned")
    try nextIteration()
    hasFailedBackward = false
  }

  func nextIteration() throws(Misuse) {
    try core.endStep()
    headers.advance(keeping: core.arena.byteLimit.map { $0 / 2 } ?? .max)
    lists.clearOperations()
    fingerprints.removeLast(downTo: 0)
    core.arena.beside = 0
    draws.step += 1
    core.restartRandom(step: draws.step)
    try core.beginStep(accumulating: accumulates)
  }

  /// What must not happen inside a backward or a part that is recomputed can happen now.
  var isIdle: Bool { !isWalking && parts.running == 0 }

  func requireIdle(_ hint: String = "") throws(Misuse) {
    guard !isWalking else { throw Misuse("", "a backward is running", hint: hint) }
    guard isIdle else { throw Misuse("", "a part that is recomputed is running", hint: hint) }
  }

  /// Frees what is not an object of Swift's.
  func close() {
    try? core.endStep()
    core.customBackward = nil
    core.afterWalking = nil
    core.releaseMemory()
    headers.releaseAll()
    forgetAll()
    written = GrowingTable(capacity: 0)
    lists.freeAll()
    _ = Cells.giveBack(arenaHandle, .arena)
    _ = Cells.giveBack(tape, .tape)
  }

  // MARK: Memory

  /// Bytes of this iteration that are not in the arena: what the tape knows of variables and operations, and headers.
  var bytesBesideArena: Int {
    core.nodes.count * (MemoryLayout<Node>.stride + MemoryLayout<Slot>.stride)
      + core.records.count * MemoryLayout<Record>.stride + headers.bytes + lists.bytes + parts.bytes
  }

  /// Has the limit count what lies beside the arena, too. Called before whatever makes that grow.
  func countBytesBesideArena() throws(Misuse) {
    guard let limit = core.arena.byteLimit else { return }
    core.arena.beside = bytesBesideArena
    guard core.arena.used + core.arena.beside <= limit else {
      throw Misuse(
        "", "no memory for another operation in step \(core.step): \(core.arena.used + core.arena.beside) bytes are in "
          + "use of the limit of \(limit)",
        hint: core.memoryHint)
    }
  }

  /// Makes room for operations, so that none fails half-way.
  func reserve(operations: Int, _ name: StaticString = "operation") throws(Misuse) {
    try countBytesBesideArena()
    try core.reserve(operations: operations, name)
  }

  /// Memory of this iteration for a list of the library's own.
  func allocateList<Element>(_ type: Element.Type, _ count: Int) throws(Misuse) -> UnsafeMutablePointer<Element> {
    let bytes = max(1, count) * MemoryLayout<Element>.stride
    guard let memory = core.arena.allocate(bytes) else {
      throw Misuse(
        "", "no memory to note an operation in step \(core.step): \(core.arena.used + core.arena.beside) bytes are in "
          + "use",
        hint: core.memoryHint)
    }
    return memory.bindMemory(to: Element.self, capacity: max(1, count))
  }

  /// Operations are recorded: the program has not switched that off, nor does the library compute for itself.
  var recordsNow: Bool { isRecording && core.isRecording }
}

/// Counts the draws of each purpose: a random stream is named by (seed, purpose, count).
struct RandomDraws {
  /// Iterations since the seed was set: what dropout draws for.
  var step: UInt64 = 0
  var initialization: UInt64 = 0
  var batch: UInt64 = 0
  var sampling: UInt64 = 0
}

/// Behind C's `Arena *`.
struct ArenaHandle {
  var kind = HeaderKind.arena
  /// The context whose arena it is; 0 for one that the program made.
  var context: UInt32
  /// INVARIANT: retained where `context` is 0.
  var arena: Unmanaged<AutogradEngine.Arena>
}
