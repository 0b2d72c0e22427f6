import AutogradBase

/// Compares the tensors that are wanted with those that are there: the one place that says which are missing,
/// unexpected or of another shape.
///
/// All of it is listed, in the order in which it is found out; nobody is told of one thing at a time.
public struct TensorComparison: Sendable {
  /// What does not fit, in words.
  public private(set) var problems: [String] = []
  private let names: [String]
  private let shapes: [ExactString: [Int]]
  private var taken: Set<ExactString> = []

  /// - Parameter found: What is there; the first counts where two have one name.
  public init(_ found: [(name: String, shape: [Int])]) {
    names = found.map(\.name)
    shapes = Dictionary(found.map { (ExactString($0.name), $0.shape) }) { first, _ in first }
  }

  /// The tensors of a file.
  public init(_ file: any TensorFile) {
    self.init(file.tensors.map { ($0.name, $0.shape) })
  }

  /// Looks for a tensor.
  ///
  /// - Parameters:
  ///   - names: What it may be called; the first that is there counts.
  ///   - wanted: What a sentence calls it that is not there.
  /// - Returns: What it is called; nil where it is missing or of another shape, which is noted.
  public mutating func take(_ names: [String], _ wanted: String, shape: [Int]) -> String? {
    guard let name = names.first(where: { shapes[ExactString($0)] != nil }), let found = shapes[ExactString(name)] else {
      problems.append("\(wanted) is missing")
      return nil
    }
    taken.insert(ExactString(name))
    guard found == shape else {
      problems.append("\(name) has shape \(found), expected \(shape)")
      return nil
    }
    return name
  }

  /// Looks for a tensor of one name.
  public mutating func take(_ name: String, shape: [Int]) -> String? { take([name], name, shape: shape) }

  /// Notes that a tensor is known, whatever its shape: nobody wants it, and it is no surprise.
  public mutating func pass(_ name: String) { taken.insert(ExactString(name)) }

  /// Notes what somebody else found.
  public mutating func note(_ problem: String) { problems.append(problem) }

  /// Notes every tensor that nobody took.
  public mutating func noteRest(except isKnown: (String) -> Bool = { _ in false }) {
    for name in names where !taken.contains(ExactString(name)) && !isKnown(name) {
      problems.append("\(name.quotedForMessage) is unexpected")
    }
  }
}
