internal import CAutogradKernels

/// The parameters of an optimiser as kernels take them, cut into pieces, in order.
///
/// INVARIANT: every piece points into a parameter, which whoever runs a kernel over it keeps alive, and into what is in
/// `kept`, as do the rules over them; one sum for each. A parameter's pieces are those of its range. Those of a rule that
/// are due are copies in `due`, from the rule's place on.
@safe final class CutPieces {
  let pieces: UnsafeMutableBufferPointer<ck_piece>
  let sums: UnsafeMutableBufferPointer<Double>
  let ranges: [Range<Int>]
  /// Each parameter's rule.
  private let rules: [Int]
  private let kept: [AnyObject]
  private let due: UnsafeMutableBufferPointer<ck_piece>
  /// The parameters that are not in `due`.
  private var isDeferred: [Bool]
  /// A rule's part of `due`; stale once another of its parameters, or one less, is deferred.
  private var duePlaces: [(range: Range<Int>, isStale: Bool)]

  /// - Parameters:
  ///   - ranges: Each parameter's pieces.
  ///   - rules: Each parameter's rule, counted from 0, ascending.
  @unsafe init(_ list: [ck_piece], ranges: [Range<Int>], rules: [Int], keeping kept: [AnyObject]) {
    unsafe pieces = UnsafeMutableBufferPointer.allocate(capacity: list.count)
    unsafe _ = pieces.initialize(from: list)
    unsafe sums = UnsafeMutableBufferPointer.allocate(capacity: list.count)
    unsafe sums.initialize(repeating: 0)
    unsafe due = UnsafeMutableBufferPointer.allocate(capacity: list.count)
    unsafe _ = due.initialize(from: list)
    isDeferred = [Bool](repeating: false, count: ranges.count)
    self.ranges = ranges
    self.rules = rules
    self.kept = kept
    duePlaces = (0..<(rules.last ?? -1) + 1).map { rule in
      let own = zip(rules, ranges).filter { $0.0 == rule }.map(\.1)
      return ((own.first?.lowerBound ?? 0)..<(own.last?.upperBound ?? 0), false)
    }
  }

  func note(_ index: Int, isDeferred: Bool) {
    guard self.isDeferred[index] != isDeferred else { return }
    self.isDeferred[index] = isDeferred
    duePlaces[rules[index]].isStale = true
  }

  /// The pieces of a rule's parameters that defer nothing.
  @unsafe func duePieces(of rule: Int) -> UnsafeMutableBufferPointer<ck_piece> {
    guard rule < duePlaces.count else { return unsafe UnsafeMutableBufferPointer(rebasing: due[..<0]) }
    if duePlaces[rule].isStale {
      let start = duePlaces[rule].range.lowerBound
      var end = start
      for index in ranges.indices where rules[index] == rule && !isDeferred[index] {
        for piece in ranges[index] {
          unsafe due[end] = pieces[piece]
          end += 1
        }
      }
      duePlaces[rule] = (start..<end, false)
    }
    return unsafe UnsafeMutableBufferPointer(rebasing: due[duePlaces[rule].range])
  }

  deinit {
    unsafe pieces.deallocate()
    unsafe sums.deallocate()
    unsafe due.deallocate()
  }
}
