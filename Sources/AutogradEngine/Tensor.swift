/// Plain numbers in a shape: what goes into a step and what comes out of it. Owned, copied by value, without
/// gradient or tape.
public struct Tensor<Scalar: TensorScalar>: Equatable, Sendable {
  /// The elements in row-major order: the last axis runs fastest.
  public private(set) var elements: [Scalar]
  /// The lengths of the axes as a plain value.
  public let shape: Shape

  /// - Precondition: As many elements as the shape says; otherwise stops and prints both numbers.
  public init(shape: [Int], _ elements: [Scalar]) {
    let shape = stopping { () throws(Misuse) in try Shape(shape).validated("Tensor") }
    guard elements.count == shape.count else {
      fatalError("Tensor: shape \(shape) has \(shape.count) elements, got \(elements.count)")
    }
    self.shape = shape
    self.elements = elements
  }

  /// A single number.
  public init(_ value: Scalar) { self.init(shape: [], [value]) }

  /// A matrix from its rows.
  ///
  /// - Precondition: All rows are of one length.
  public init(_ rows: [[Scalar]]) {
    let columns = rows.first?.count ?? 0
    guard rows.allSatisfy({ $0.count == columns }) else {
      fatalError("Tensor: rows of different lengths \(rows.map(\.count))")
    }
    self.init(shape: [rows.count, columns], rows.flatMap { $0 })
  }

  /// One number everywhere.
  public init(repeating value: Scalar, shape: [Int]) {
    let shape = stopping { () throws(Misuse) in try Shape(shape).validated("Tensor") }
    self.shape = shape
    elements = [Scalar](repeating: value, count: shape.count)
  }

  public var count: Int { elements.count }

  /// One element, by one index per axis.
  public subscript(indices: Int...) -> Scalar {
    get { elements[offset(indices)] }
    set { elements[offset(indices)] = newValue }
  }

  /// The same shape, each element changed by `function`.
  public func map(_ function: (Scalar) -> Scalar) -> Tensor {
    Tensor(shape: shape.array, elements.map(function))
  }

  /// The same shape, each element made from one of this and one of `other`.
  ///
  /// - Precondition: Equal shapes; otherwise stops and prints both.
  public func combined(with other: Tensor, _ function: (Scalar, Scalar) -> Scalar) -> Tensor {
    guard shape == other.shape else { fatalError("Tensor: shapes \(shape) and \(other.shape) differ") }
    return Tensor(shape: shape.array, zip(elements, other.elements).map(function))
  }

  private func offset(_ indices: [Int]) -> Int {
    guard indices.count == shape.rank, zip(indices, shape.array).allSatisfy({ $0 >= 0 && $0 < $1 }) else {
      fatalError("Tensor: index \(indices) is not inside shape \(shape)")
    }
    return zip(indices, shape.array).reduce(0) { $0 * $1.1 + $1.0 }
  }
}

extension Tensor: ExpressibleByArrayLiteral {
  /// Either numbers, which make a vector, or lists of one shape, which make one more axis.
  public enum Literal: ExpressibleByArrayLiteral, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    case number(Scalar)
    case list([Literal])

    public init(arrayLiteral elements: Literal...) { self = .list(elements) }
    public init(floatLiteral value: Double) { self = .number(Scalar(value)) }
    public init(integerLiteral value: Int) { self = .number(Scalar(value)) }

    var shape: [Int] {
      switch self {
      case .number: []
      case .list(let items): [items.count] + (items.first?.shape ?? [])
      }
    }

    func append(to elements: inout [Scalar], expecting shape: ArraySlice<Int>) {
      switch self {
      case .number(let value): elements.append(value)
      case .list(let items):
        guard items.count == shape.first else { fatalError("Tensor: a literal with rows of different lengths") }
        for item in items { item.append(to: &elements, expecting: shape.dropFirst()) }
      }
    }
  }

  public init(arrayLiteral elements: Literal...) {
    let literal = Literal.list(elements)
    var numbers: [Scalar] = []
    literal.append(to: &numbers, expecting: literal.shape[...])
    self.init(shape: literal.shape, numbers)
  }
}

extension Tensor: CustomStringConvertible {
  /// The numbers in nested brackets, long axes shortened in the middle.
  public var description: String {
    var offset = 0
    return render(shape.array[...], &offset)
  }

  private func render(_ axes: ArraySlice<Int>, _ offset: inout Int) -> String {
    guard let length = axes.first else {
      defer { offset += 1 }
      return "\(elements[offset])"
    }
    let size = axes.dropFirst().reduce(1, *), start = offset
    var parts: [String] = []
    for index in 0..<length {
      if length > 8, index == 3 { parts.append("…") }
      if length > 8, (3..<length - 3).contains(index) { continue }
      offset = start + index * size
      parts.append(render(axes.dropFirst(), &offset))
    }
    offset = start + length * size
    return "[" + parts.joined(separator: axes.count > 1 ? ",\n " : ", ") + "]"
  }
}
