import AutogradEngine
import CAutogradV2

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The tapes of a context: `g_tape`, whose number is 0, and those that the program made. Their records lie together
/// on the core's table, told apart by the number.
struct TapeLists: ~Copyable {
  private var tapes = GrowingTable<UnsafeMutablePointer<TapeV2>>(capacity: 8)
  private var nextTag: Int32 = 0

  /// Enters a tape and numbers it; false where the system has no memory.
  @discardableResult
  mutating func add(_ tape: UnsafeMutablePointer<TapeV2>) -> Bool {
    guard tapes.reserve(spare: 1) else { return false }
    tape.pointee.private_tag = nextTag
    nextTag += 1
    tapes.append(tape)
    return true
  }

  func contains(_ tape: UnsafeMutablePointer<TapeV2>) -> Bool {
    for index in 0..<tapes.count where tapes[index] == tape { return true }
    return false
  }

  /// Takes a tape out and frees it.
  mutating func remove(_ tape: UnsafeMutablePointer<TapeV2>) {
    for index in 0..<tapes.count where tapes[index] == tape {
      tapes.removeBySwapping(at: index)
      free(tape.pointee.ops)
      _ = Cells.giveBack(tape, .tape)
      return
    }
  }

  /// Bytes of the operations of this iteration.
  var bytes: Int {
    var count = 0
    for index in 0..<tapes.count { count += Int(tapes[index].pointee.count) }
    return count * MemoryLayout<TapeOp>.stride
  }

  /// Empties all tapes, whose operations ended with the iteration.
  func clearOperations() {
    for index in 0..<tapes.count { tapes[index].pointee.count = 0 }
  }

  /// Frees all but `g_tape` itself, which its context frees.
  mutating func freeAll() {
    for index in 0..<tapes.count {
      free(tapes[index].pointee.ops)
      tapes[index].pointee.ops = nil
      if index > 0 { _ = Cells.giveBack(tapes[index], .tape) }
    }
    tapes.removeLast(downTo: 0)
  }

  /// Appends an operation as C sees it; false where the system has no memory.
  static func append(_ operation: TapeOp, to tape: UnsafeMutablePointer<TapeV2>) -> Bool {
    if tape.pointee.count == tape.pointee.capacity {
      let capacity = max(64, Int(tape.pointee.capacity) * 2)
      guard capacity < Int(Int32.max),
        let larger = realloc(tape.pointee.ops, capacity * MemoryLayout<TapeOp>.stride)
      else { return false }
      tape.pointee.ops = larger.bindMemory(to: TapeOp.self, capacity: capacity)
      tape.pointee.capacity = Int32(capacity)
    }
    tape.pointee.ops[Int(tape.pointee.count)] = operation
    tape.pointee.count += 1
    return true
  }
}
