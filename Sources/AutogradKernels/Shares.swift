/// How a region of `count` units is dealt out to threads: equal parts of the range, cut at multiples of `multiple`.
///
/// Kernels over the same rows, whatever a unit of theirs is, give each thread the same rows to the very last one: where
/// two CPUs share no cache, a row that wanders costs many times what it costs to compute.
struct Shares {
  private let count, grain, multiple, parts: Int

  /// - Parameter grain: Units of a tile, roughly; where there is less than one tile for each thread, some have none.
  init(count: Int, grain: Int, multiple: Int, threads: Int) {
    (self.count, self.grain, self.multiple) = (count, max(1, grain), max(1, multiple))
    parts = min(threads, max(1, (count + self.grain - 1) / self.grain))
  }

  /// The share of a thread, which may be empty.
  subscript(thread: Int) -> Share {
    guard thread < parts else { return Share(begin: count, end: count, step: 1) }
    let begin = boundary(thread), end = boundary(thread + 1), tiles = max(1, (end - begin) / grain)
    return Share(begin: begin, end: end, step: max(1, roundedUp((end - begin + tiles - 1) / tiles)))
  }

  private func boundary(_ part: Int) -> Int {
    if part == 0 || part == parts { return part == 0 ? 0 : count }
    return count * part / parts / multiple * multiple
  }

  private func roundedUp(_ units: Int) -> Int { (units + multiple - 1) / multiple * multiple }

  /// A part of the range in tiles of `step` units; the last may be shorter.
  struct Share {
    let begin, end, step: Int

    var tiles: Int { (end - begin + step - 1) / step }

    /// The units of a tile.
    subscript(tile: Int) -> Range<Int> { begin + tile * step..<min(end, begin + (tile + 1) * step) }
  }
}
