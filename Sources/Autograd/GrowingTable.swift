/// An array of plain values that keeps its memory when emptied: after the first steps it allocates nothing.
@safe struct GrowingTable<Element: BitwiseCopyable>: ~Copyable {
  /// INVARIANT: `capacity` elements are allocated, the first `count` are initialised.
  private var base: UnsafeMutablePointer<Element>
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int) {
    self.capacity = capacity
    unsafe base = UnsafeMutablePointer.allocate(capacity: capacity)
  }

  deinit { unsafe base.deallocate() }

  subscript(index: Int) -> Element {
    unsafeAddress {
      precondition(index >= 0 && index < count)
      return unsafe UnsafePointer(base + index)
    }
    unsafeMutableAddress {
      precondition(index >= 0 && index < count)
      return unsafe base + index
    }
  }

  mutating func append(_ element: Element) {
    if count == capacity { grow() }
    unsafe (base + count).initialize(to: element)
    count += 1
  }

  mutating func removeLast(downTo count: Int) {
    precondition(count <= self.count)
    self.count = count
  }

  /// Removes an element; the last one takes its place.
  mutating func removeBySwapping(at index: Int) {
    self[index] = self[count - 1]
    count -= 1
  }

  private mutating func grow() {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
    unsafe larger.moveInitialize(from: base, count: count)
    unsafe base.deallocate()
    unsafe base = larger
    capacity *= 2
  }
}
