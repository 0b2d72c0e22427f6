import CAutogradSystem

/// An array of plain values that keeps its memory when emptied: after the first steps it allocates nothing.
@safe package struct GrowingTable<Element: BitwiseCopyable>: ~Copyable {
  /// INVARIANT: `capacity` elements are allocated, the first `count` are initialised; dangling where there are none.
  private var base: UnsafeMutablePointer<Element>
  private var capacity: Int
  package private(set) var count = 0

  /// Without memory it begins with room for nothing, and the first element asks again.
  package init(capacity: Int) {
    self.capacity = 0
    unsafe base = UnsafeMutablePointer(bitPattern: MemoryLayout<Element>.alignment)!
    _ = reserve(spare: capacity)
  }

  deinit {
    if capacity > 0 { unsafe csystem_free(base) }
  }

  /// The elements in place. INVARIANT: valid until the next element is added.
  @unsafe package var start: UnsafePointer<Element> { unsafe UnsafePointer(base) }

  package subscript(index: Int) -> Element {
    unsafeAddress {
      precondition(index >= 0 && index < count)
      return unsafe UnsafePointer(base + index)
    }
    unsafeMutableAddress {
      precondition(index >= 0 && index < count)
      return unsafe base + index
    }
  }

  package mutating func append(_ element: Element) {
    if count == capacity { grow() }
    unsafe (base + count).initialize(to: element)
    count += 1
  }

  package mutating func removeLast(downTo count: Int) {
    precondition(count <= self.count)
    self.count = count
  }

  /// Removes an element; the last one takes its place.
  package mutating func removeBySwapping(at index: Int) {
    self[index] = self[count - 1]
    count -= 1
  }

  /// Makes room for `spare` more elements; false, and unchanged, where the system has no memory.
  package mutating func reserve(spare: Int) -> Bool {
    let wanted = max(count + spare, capacity)
    if wanted == capacity { return true }
    let larger = max(wanted, capacity * 2), bytes = larger * MemoryLayout<Element>.stride
    guard let memory = unsafe csystem_allocate(bytes, MemoryLayout<Element>.alignment) else { return false }
    unsafe move(to: memory.bindMemory(to: Element.self, capacity: larger), capacity: larger)
    return true
  }

  private mutating func grow() {
    guard reserve(spare: 1) else { fatalError("out of memory: a table of the tape cannot grow") }
  }

  private mutating func move(to larger: UnsafeMutablePointer<Element>, capacity: Int) {
    unsafe larger.moveInitialize(from: base, count: count)
    if self.capacity > 0 { unsafe csystem_free(base) }
    unsafe base = larger
    self.capacity = capacity
  }
}
