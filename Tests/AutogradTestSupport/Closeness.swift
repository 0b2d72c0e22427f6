public import AutogradEngine
public import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How far a number may lie from what is expected: `absolute` + `relative` · |expected|.
public struct Tolerance: Sendable {
  public let relative: Double
  public let absolute: Double

  public init(relative: Double, absolute: Double = 0) {
    self.relative = relative
    self.absolute = absolute
  }

  public func bound(_ expected: Double) -> Double { absolute + relative * abs(expected) }
}

/// Says what is wrong with `actual`, the shape first, then the first bad element; nil where it is close.
///
/// A NaN is close to a NaN only, an infinity to the same infinity only.
public func closenessFailure<A: TensorScalar, E: TensorScalar>(
  _ actual: Tensor<A>, _ expected: Tensor<E>, _ tolerance: Tolerance
) -> String? {
  guard actual.shape == expected.shape else { return "shape \(actual.shape), expected \(expected.shape)" }
  return closenessFailure(actual.elements, expected.elements, tolerance)
}

/// The same for plain numbers.
public func closenessFailure<A: TensorScalar, E: TensorScalar>(
  _ actual: [A], _ expected: [E], _ tolerance: Tolerance
) -> String? {
  guard actual.count == expected.count else { return "\(actual.count) elements, expected \(expected.count)" }
  for index in actual.indices {
    let (a, e) = (Double(actual[index]), Double(expected[index])), bound = tolerance.bound(e)
    // Written so that a NaN fails.
    guard abs(a - e) <= bound || a == e || (a.isNaN && e.isNaN), e.isFinite || a == e || e.isNaN else {
      return "element \(index) is \(a), expected \(e): off by \(abs(a - e)), tolerance \(bound)"
    }
  }
  return nil
}

/// Says where two results differ in a bit; nil where they are the same.
public func bitFailure<S: TensorScalar>(_ actual: [S], _ expected: [S]) -> String? {
  guard actual.count == expected.count else { return "\(actual.count) elements, expected \(expected.count)" }
  // Almost always the whole answer, and quick in debug builds.
  let areSame = actual.withUnsafeBytes { a in
    expected.withUnsafeBytes { e in a.isEmpty || memcmp(a.baseAddress!, e.baseAddress!, a.count) == 0 }
  }
  if areSame { return nil }
  for index in actual.indices where !sameBits(actual[index], expected[index]) {
    return "element \(index) is \(actual[index]), expected \(expected[index]) bit for bit"
  }
  return nil
}

/// A NaN equals any NaN: which one an instruction makes is its own affair.
private func sameBits<S: TensorScalar>(_ a: S, _ b: S) -> Bool {
  (a == b && a.sign == b.sign) || (a.isNaN && b.isNaN)
}

/// Records an issue unless `actual` is close to `expected`.
public func expectClose<A: TensorScalar, E: TensorScalar>(
  _ actual: Tensor<A>, _ expected: Tensor<E>, _ tolerance: Tolerance, _ what: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  report(closenessFailure(actual, expected, tolerance), what, sourceLocation)
}

public func expectClose<A: TensorScalar, E: TensorScalar>(
  _ actual: [A], _ expected: [E], _ tolerance: Tolerance, _ what: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  report(closenessFailure(actual, expected, tolerance), what, sourceLocation)
}

/// Records an issue unless two results are the same bit for bit.
public func expectSameBits<S: TensorScalar>(
  _ actual: [S], _ expected: [S], _ what: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  report(bitFailure(actual, expected), what, sourceLocation)
}

private func report(_ failure: String?, _ what: () -> String, _ sourceLocation: SourceLocation) {
  guard let failure else { return }
  let what = what()
  Issue.record("\(what.isEmpty ? "" : what + ": ")\(failure)", sourceLocation: sourceLocation)
}
