/// The lengths of a tensor's axes, outermost first. A plain value without heap storage, for up to 8 axes.
///
/// Rank 0 is a single number. An axis of length 0 makes an empty tensor.
public struct Shape: Equatable, Sendable, BitwiseCopyable, CustomStringConvertible {
  public static let maximumRank = 8

  /// The number of axes.
  public private(set) var rank: Int
  /// Lengths of the axes; 0 beyond `rank`.
  package var lengths: InlineArray<8, Int>

  /// A single number.
  public init() {
    rank = 0
    lengths = InlineArray(repeating: 0)
  }

  public init<let n: Int>(_ lengths: InlineArray<n, Int>) {
    self.init()
    for axis in 0..<n { append(lengths[axis]) }
  }

  public init(_ lengths: [Int]) {
    self.init()
    for length in lengths { append(length) }
  }

  /// Adds an innermost axis.
  package mutating func append(_ length: Int) {
    guard rank < Shape.maximumRank else { fatalError("shape: more than \(Shape.maximumRank) axes") }
    lengths[rank] = length
    rank += 1
  }

  /// The length of an axis, counted from the front, or from the back where negative.
  public subscript(axis: Int) -> Int {
    get {
      let index = axis < 0 ? axis + rank : axis
      guard index >= 0, index < rank else { fatalError("shape: no axis \(axis) in \(self)") }
      return lengths[index]
    }
    set { lengths[axis < 0 ? axis + rank : axis] = newValue }
  }

  /// The number of elements; 1 at rank 0. Only shapes that `validated` passed are ever made into tensors, so the
  /// product cannot overflow.
  public var count: Int {
    var product = 1
    for axis in 0..<rank { product &*= lengths[axis] }
    return product
  }

  /// The product of the lengths of a range of axes.
  package func count(of axes: Range<Int>) -> Int {
    var product = 1
    for axis in axes { product &*= lengths[axis] }
    return product
  }

  /// The length of the last axis; 1 at rank 0.
  package var last: Int { rank == 0 ? 1 : lengths[rank - 1] }

  /// The number of rows: the product of all axes but the last.
  package var rows: Int { rank == 0 ? 1 : count(of: 0..<rank - 1) }

  /// As an array; allocates.
  public var array: [Int] { (0..<rank).map { lengths[$0] } }

  public static func == (a: Shape, b: Shape) -> Bool {
    guard a.rank == b.rank else { return false }
    for axis in 0..<a.rank where a.lengths[axis] != b.lengths[axis] { return false }
    return true
  }

  public var description: String { "[" + array.map(String.init).joined(separator: ", ") + "]" }
}

package extension Shape {
  /// Throws unless every length is at least 0 and all bytes together fit well into an address space.
  func validated(_ operation: StaticString) throws(Misuse) -> Shape {
    var product = 1
    for axis in 0..<rank {
      guard lengths[axis] >= 0 else {
        throw Misuse(operation, "shape \(self) has a negative length")
      }
      let (next, overflow) = product.multipliedReportingOverflow(by: max(1, lengths[axis]))
      guard !overflow, next < 1 << 56 else {
        throw Misuse(operation, "shape \(self) has more elements than any memory holds")
      }
      product = next
    }
    return self
  }

  /// Throws where the elements, or the steps of an axis, are more than `limit`. An axis is too long by itself only
  /// where there are no elements.
  func checkSize(atMost limit: Int, _ operation: StaticString) throws(Misuse) {
    let count = count
    if count > 0, count <= limit { return }
    guard count <= limit else {
      throw Misuse(operation, "shape \(self) has \(count) elements", hint: "a tensor holds at most \(limit)")
    }
    for axis in 0..<rank where lengths[axis] > limit {
      throw Misuse(
        operation, "axis \(axis) of shape \(self) is too long", hint: "an axis has at most \(limit) steps")
    }
  }

  /// NumPy's rule: shapes are aligned at the end; an axis of length 1, or a missing one, repeats.
  static func broadcast(_ a: Shape, _ b: Shape, _ operation: StaticString) throws(Misuse) -> Shape {
    if a == b { return a }
    var result = Shape()
    let rank = max(a.rank, b.rank)
    for axis in 0..<rank {
      let left = axis - (rank - a.rank) >= 0 ? a.lengths[axis - (rank - a.rank)] : 1
      let right = axis - (rank - b.rank) >= 0 ? b.lengths[axis - (rank - b.rank)] : 1
      guard left == right || left == 1 || right == 1 else {
        throw Misuse(
          operation, "shapes \(a) and \(b) do not fit: \(left) against \(right)",
          hint: "axes are aligned at the end and must be equal, or 1 in one of the two")
      }
      result.append(left == 1 ? right : left)
    }
    return try result.validated(operation)
  }

  /// Distances between neighbours along each axis of a contiguous tensor, in elements.
  var strides: InlineArray<8, Int> {
    var strides = InlineArray<8, Int>(repeating: 0)
    var distance = 1
    // Not `reversed()`, whose generic code allocates in debug builds.
    for axis in stride(from: rank - 1, through: 0, by: -1) {
      strides[axis] = distance
      distance *= lengths[axis]
    }
    return strides
  }

  /// The strides with which a tensor of this shape is read as one of shape `target`: 0 where it repeats.
  func strides(broadcastTo target: Shape) -> InlineArray<8, Int> {
    let own = strides
    var result = InlineArray<8, Int>(repeating: 0)
    for axis in 0..<rank where lengths[axis] != 1 {
      result[axis + target.rank - rank] = own[axis]
    }
    return result
  }
}

package extension Shape {
  /// Without the last axis; rank 0 stays as it is.
  func droppingLast() -> Shape {
    guard rank > 0 else { return self }
    var shorter = self
    shorter.removeLast()
    return shorter
  }

  private mutating func removeLast() {
    lengths[rank - 1] = 0
    rank -= 1
  }
}
