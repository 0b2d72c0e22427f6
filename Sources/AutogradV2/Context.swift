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
  /// Never used again by another context.
  let number: UInt32
  let core: TapeCore
  var headers: HeaderRing
  /// INVARIANT: from `malloc`, freed by `close`.
  let tape: UnsafeMutablePointer<TapeV2>
  let arenaHandle: UnsafeMutablePointer<ArenaHandle>
  /// The thread that uses it; 0 where none does.
  var thread: UInt = 0
  let isThreadsOwn: Bool

  var lists = TapeLists()
  /// Gradients that a backward wrote: those which a later backward does not reach are cleared after it.
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
  /// The step of the last error, so that NULL arguments that follow from it are passed on silently.
  var errorStep: UInt64 = 0

  var seed: UInt64 = 1337
  /// How often random numbers were drawn for each purpose.
  var draws = RandomDraws()

  init?(number: UInt32, isThreadsOwn: Bool) {
    guard let tape = calloc(1, MemoryLayout<TapeV2>.size)?.bindMemory(to: TapeV2.self, capacity: 1) else { return nil }
    guard let arenaHandle = calloc(1, MemoryLayout<ArenaHandle>.size)?.bindMemory(to: ArenaHandle.self, capacity: 1)
    else {
      free(tape)
      return nil
    }
    self.number = number
    self.isThreadsOwn = isThreadsOwn
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

  private static func isOn(_ name: String) -> Bool {
    // getenv yields null or a terminated string, compared at once.
    getenv(name).map { strcmp($0, "0") != 0 && $0.pointee != 0 } ?? false
  }

  /// Ends the iteration and begins the next.
  func reset() throws(Misuse) {
    try requireIdle("reset when it has returned")
    try core.endStep()
    headers.advance()
    lists.clearOperations()
    fingerprints.removeLast(downTo: 0)
    hasFailedBackward = false
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
    headers.releaseAll()
    for index in 0..<written.count {
      written[index].takeUnretainedValue().isListed = false
      written[index].release()
    }
    written.removeLast(downTo: 0)
    lists.freeAll()
    free(arenaHandle)
    free(tape)
  }

  /// Runs `body` without recording, inside the iteration.
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
