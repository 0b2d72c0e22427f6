import CAutogradSystem
import Synchronization

/// Names a variable: which tape, which place, which use of that place.
struct Handle: BitwiseCopyable, Equatable {
  let tape: UInt32
  let slot: UInt32
  let serial: UInt64
}

/// Where tapes are found by number. The table outlives them, so that a handle whose tape is gone is noticed.
///
/// An entry's owner is written by the thread that makes, steps or destroys the tape, and read before anything
/// else: only the owner itself goes on to the core, which therefore cannot die meanwhile.
enum TapeTable {
  private struct Entry: ~Copyable {
    let owner = Atomic<UInt>(0)
    /// The last serial that was given out before the tape that lives here now.
    let lastSerialBefore = Atomic<UInt64>(0)
    /// INVARIANT: an unretained `TapeCore` while the tape lives; 0 afterwards.
    let core = Atomic<UInt>(0)
  }

  private struct Free {
    var used = 0
    var indices: [UInt32] = []
    var lastSerial: [UInt64] = []
  }

  private static let capacity = 65536
  /// INVARIANT: never freed; the first `Free.used` entries are initialised.
  nonisolated(unsafe) private static let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
  private static let free = Mutex(Free())

  /// Enters a tape; returns its index and the last serial that was given out there.
  static func enter(_ core: TapeCore) -> (index: UInt32, serial: UInt64) {
    let (index, serial) = free.withLock { free in
      if let index = free.indices.popLast() { return (index, free.lastSerial[Int(index)]) }
      guard free.used < capacity else { fatalError("Tape: more than \(capacity) tapes at once") }
      unsafe (entries + free.used).initialize(to: Entry())
      free.lastSerial.append(1)
      free.used += 1
      return (UInt32(free.used - 1), 1)
    }
    unsafe entries[Int(index)].lastSerialBefore.store(serial, ordering: .relaxed)
    unsafe entries[Int(index)].core.store(
      UInt(bitPattern: Unmanaged.passUnretained(core).toOpaque()), ordering: .relaxed)
    own(index)
    return (index, serial)
  }

  /// Takes a dead tape out; its index may serve again, its serials never.
  static func leave(_ index: UInt32, lastSerial: UInt64) {
    unsafe entries[Int(index)].owner.store(0, ordering: .relaxed)
    unsafe entries[Int(index)].core.store(0, ordering: .relaxed)
    free.withLock { free in
      free.lastSerial[Int(index)] = lastSerial
      free.indices.append(index)
    }
  }

  /// Makes the calling thread the tape's owner.
  static func own(_ index: UInt32) {
    unsafe entries[Int(index)].owner.store(csystem_thread(), ordering: .relaxed)
  }

  /// The tape of a handle. Whether the handle itself is still good is the tape's to say.
  static func core(of handle: Handle, _ operation: StaticString) throws(Misuse) -> TapeCore {
    let index = Int(handle.tape)
    guard unsafe entries[index].owner.load(ordering: .relaxed) == csystem_thread() else {
      throw notOurs(handle, operation)
    }
    guard handle.serial > (unsafe entries[index].lastSerialBefore.load(ordering: .relaxed)),
      let pointer = unsafe UnsafeRawPointer(bitPattern: entries[index].core.load(ordering: .relaxed))
    else { throw dead(operation) }
    return unsafe Unmanaged<TapeCore>.fromOpaque(pointer).takeUnretainedValue()
  }

  private static func notOurs(_ handle: Handle, _ operation: StaticString) -> Misuse {
    let index = Int(handle.tape)
    let alive = unsafe entries[index].core.load(ordering: .relaxed) != 0
    guard alive, handle.serial > (unsafe entries[index].lastSerialBefore.load(ordering: .relaxed)) else {
      return dead(operation)
    }
    return Misuse(
      operation, "variable of a tape that another thread is using",
      hint: "variables stay on the thread that runs their step; copy the values out with .array")
  }

  private static func dead(_ operation: StaticString) -> Misuse {
    Misuse(
      operation, "variable of a tape that no longer exists",
      hint: "keep the Tape as long as its variables, or copy them out with .array")
  }
}
