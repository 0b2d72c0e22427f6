import AutogradKernels
import AutogradText
import Synchronization

/// Goes over pieces of files once, all threads at work, a round of pieces at a time.
struct TextPass: Sendable {
  /// By piece.
  let byteCounts: [Int]
  let pool: ThreadPool

  /// Pieces in a round, twice as many as threads: those who are done early take another.
  var width: Int { 2 * pool.threadCount }

  /// - Parameters:
  ///   - work: Called on some thread for each piece, with the piece's number and its place in the round, which no other
  ///     has at the same time.
  ///   - alongside: Called on some thread with what the round before found, in order: for work that has an order.
  ///   - collect: Called by the caller's thread with each piece's number and what was found in it, in order.
  ///   - progress: Called after each round with the bytes done; false ends the pass.
  /// - Throws: What `collect` throws, and `interrupted`.
  func run<Found: Sendable>(
    _ work: @escaping @Sendable (_ piece: Int, _ place: Int) -> Found,
    alongside: @escaping @Sendable ([Found]) -> Void = { _ in },
    collect: (_ piece: Int, Found) throws(TextError) -> Void, progress: (Int) -> Bool
  ) throws(TextError) {
    var before: [Found] = [], first = 0, byteCount = 0
    while first < byteCounts.count || !before.isEmpty {
      let range = first..<min(first + width, byteCounts.count), last = before
      let round = range.map { _ in Place<Found?>(nil) }
      pool.forEach(range.count + 1) { unit in
        if unit == 0 { return alongside(last) }
        let found = work(range.lowerBound + unit - 1, unit - 1)
        round[unit - 1].value.withLock { $0 = found }
      }
      before = round.compactMap { $0.value.withLock { $0 } }
      for (piece, found) in zip(range, before) { try collect(piece, found) }
      for piece in range { byteCount += byteCounts[piece] }
      first = range.upperBound
      if !progress(byteCount) { throw .interrupted }
    }
  }
}

/// A value for one thread at a time.
final class Place<Value: Sendable>: Sendable {
  let value: Mutex<Value>

  init(_ value: Value) { self.value = Mutex(value) }
}
