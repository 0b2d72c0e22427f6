import AutogradBase
public import AutogradKernels

/// Checks the gradients of a computation against differences of its values.
///
/// The step of a difference is found by itself: it is made smaller until two neighbouring sizes agree, so weights of 0.02
/// behind a norm fit as well as weights of 1, and a kink nearby (`relu` close to 0) is stepped back from. At a kink itself
/// the slopes of both sides differ whatever the step; there every number between them passes, and
/// `GradientReport.kinkCount` counts it. It checks what `body` computes with these parameters at their present values, no
/// more; frozen parameters are passed over.
///
/// The output y is contracted with a random cotangent u, since one of ones is blind: Σ softmax(x) is 1 whatever
/// x is. Then two things are compared with Jᵀu from `backward`: each element (or a random sample) of each
/// parameter, and ⟨u, J·v⟩ with ⟨Jᵀu, v⟩ for random directions v through all parameters at once, which no sample
/// can miss. Differences are central and of fourth order; `body` runs four times for each size of the step, which is once
/// for what is smooth and right.
///
/// ```swift
/// let report = checkGradients(of: [weight]) { tape in tape.input(x).matmul(weight).tanh() }
/// precondition(report.passes, "\(report)")
/// ```
///
/// - Parameters:
///   - source: The parameters to differentiate by, or a module. Their values are restored, their gradients are those of the check.
///   - tolerance: The largest relative error that passes. Numbers smaller than what rounding makes of the
///     differences are judged as if they were that large.
///   - step: The largest distance of a difference, times 1 + |x|.
///   - sampleCount: Elements to check in each parameter; nil checks all.
///   - directionCount: Random directions to check.
///   - seed: Fixes the cotangent, the sample, the directions and the dropout.
///   - backend: What runs the kernels.
///   - body: The computation. It must give the same values for the same parameters.
/// - Returns: The worst comparison, with both values.
/// - Complexity: 4 · (elements + `directionCount`) + 2 runs of `body`; 4 more for each smaller step that is tried, at most 8.
public func checkGradients(
  of source: some ParameterSource<Double>, tolerance: Double = 1e-6, step: Double = 1e-3, sampleCount: Int? = nil,
  directionCount: Int = 2, seed: UInt64 = 0, backend: Backend = Backend(),
  _ body: (Tape<Double>) -> Variable<Double>
) -> GradientReport {
  let tape = Tape<Double>(backend: backend)
  tape.seed = seed
  tape.randomStep = 0
  let trainable = source.parameters.map(\.parameter).filter(\.isTrainable)
  let first = tape.step { body($0).tensor }
  var random = RandomStream(seed: seed, purpose: .evaluation)
  let cotangent = Tensor(shape: first.shape.array, first.elements.map { _ in random.normal() })
  tape.step { tape in (body(tape) * tape.input(cotangent)).sum().backward() }

  let check = GradientCheck(
    parameters: trainable, step: step,
    magnitude: zip(first.elements, cotangent.elements).reduce(0) { $0 + abs($1.0 * $1.1) })
  return check.compare(
    with: trainable.map(\.gradient.elements), tolerance: tolerance, sampleCount: sampleCount,
    directionCount: directionCount, &random
  ) {
    let values = tape.step { body($0).array }
    return zip(values, cotangent.elements).reduce(0) { $0 + $1.0 * $1.1 }
  }
}

/// Compares given gradients of a number with differences of that number.
package struct GradientCheck {
  let parameters: [Parameter<Double>]
  let step: Double
  /// The sum of the absolute values that add up to the number: what its rounding errors are in proportion to.
  let magnitude: Double

  package init(parameters: [Parameter<Double>], step: Double, magnitude: Double) {
    self.parameters = parameters
    self.step = step
    self.magnitude = magnitude
  }

  package func compare(
    with gradients: [[Double]], tolerance: Double, sampleCount: Int?, directionCount: Int,
    _ random: inout RandomStream, value: () -> Double
  ) -> GradientReport {
    var report = GradientReport(tolerance: tolerance)
    let difference = AdaptiveDifference(tolerance: tolerance, magnitude: magnitude, centre: value())
    for (number, parameter) in parameters.enumerated() {
      for index in indices(parameter.count, sampleCount, &random) {
        let original = parameter.array, analytic = gradients[number][index]
        let found = difference.compare(analytic, largestStep: step * (1 + abs(original[index]))) { offset in
          var moved = original
          moved[index] += offset
          parameter.set(moved)
          return value()
        }
        parameter.set(original)
        report.add(found, .element(parameter: number, index: index), analytic)
      }
    }
    guard parameters.contains(where: { $0.count > 0 }) else { return report }
    for number in 0..<directionCount {
      let direction = parameters.map { parameter in (0..<parameter.count).map { _ in random.normal() } }
      let analytic = zip(gradients, direction).reduce(0.0) { sum, pair in
        sum + zip(pair.0, pair.1).reduce(0) { $0 + $1.0 * $1.1 }
      }
      report.add(compare(analytic, along: direction, difference, value), .direction(number), analytic)
    }
    return report
  }

  private func indices(_ count: Int, _ sampleCount: Int?, _ random: inout RandomStream) -> [Int] {
    guard let sampleCount, sampleCount < count else { return Array(0..<count) }
    return (0..<sampleCount).map { _ in random.integer(below: count) }
  }

  /// The directions' elements are about 1: the step shrinks with the root of their number, so that the point
  /// moves about as far as for a single element.
  private func compare(
    _ analytic: Double, along direction: [[Double]], _ difference: AdaptiveDifference, _ value: () -> Double
  ) -> AdaptiveDifference.Outcome {
    let originals = parameters.map(\.array)
    defer { for (parameter, original) in zip(parameters, originals) { parameter.set(original) } }
    let h = step / Double(direction.reduce(0) { $0 + $1.count }).squareRoot()
    return difference.compare(analytic, largestStep: h) { offset in
      for (number, parameter) in parameters.enumerated() {
        parameter.set(zip(originals[number], direction[number]).map { $0 + offset * $1 })
      }
      return value()
    }
  }
}

/// A derivative from differences whose step shrinks until it fits the function.
struct AdaptiveDifference {
  let tolerance: Double
  /// As `GradientCheck.magnitude`.
  let magnitude: Double
  /// The function where the derivative is wanted.
  let centre: Double

  struct Outcome {
    let numeric, relativeError: Double
    var isKink = false
  }

  private static let sizes = 9
  private static let shrinking = 8.0

  /// Compares `analytic` with the slope of `f` at 0.
  ///
  /// What agrees at the largest step is right. Where it does not, steps shrink until two sizes agree with one another,
  /// which settles the slope; a kink between the points of the larger one makes them differ. Smaller steps have larger
  /// rounding errors: once those would hide an error of 0.1 %, no more are tried.
  func compare(_ analytic: Double, largestStep: Double, _ f: (Double) -> Double) -> Outcome {
    var h = largestStep, last: Outcome?
    for size in 0..<AdaptiveDifference.sizes {
      let numeric = slope(h, f), scale = max(abs(analytic), abs(numeric), floor(h), .leastNormalMagnitude)
      let error = abs(analytic - numeric) / scale
      let outcome = Outcome(numeric: numeric, relativeError: error)
      if error <= tolerance || analytic.isNaN { return outcome }
      if let last {
        if abs(numeric - last.numeric) <= tolerance * max(abs(numeric), floor(h)) {
          return kink(analytic, h, f) ?? outcome
        }
        if tolerance * floor(h) > max(1e-4 * max(abs(analytic), abs(numeric)), 1e-8 * magnitude) { return last }
      }
      last = outcome
      if size + 1 < AdaptiveDifference.sizes { h /= AdaptiveDifference.shrinking }
    }
    return kink(analytic, h, f) ?? last ?? Outcome(numeric: .nan, relativeError: .nan)
  }

  /// A difference carries some hundred roundings of the number, divided by the step: numbers below this are judged as if
  /// they were that large.
  private func floor(_ h: Double) -> Double { 128 * Double.ulpOfOne * magnitude / (h * tolerance) }

  /// (f(−2h) − 8·f(−h) + 8·f(h) − f(2h)) / 12h: the error is of order h⁴.
  private func slope(_ h: Double, _ f: (Double) -> Double) -> Double {
    let near = f(h) - f(-h), far = f(2 * h) - f(-2 * h)
    return (8 * near - far) / (12 * h)
  }

  /// What to say where slopes to the left and to the right differ as much at a small step as at a large one; nil where
  /// they come together, as those of a smooth function do.
  private func kink(_ analytic: Double, _ h: Double, _ f: (Double) -> Double) -> Outcome? {
    func sides(_ h: Double) -> (left: Double, right: Double) { ((centre - f(-h)) / h, (f(h) - centre) / h) }
    let far = sides(AdaptiveDifference.shrinking * h), near = sides(h)
    let gap = abs(near.right - near.left), rounding = 128 * Double.ulpOfOne * magnitude / h
    guard gap > 0.5 * abs(far.right - far.left), gap > 4 * rounding else { return nil }
    // The slopes themselves are off by about as much as they still change.
    let slack = rounding + 2 * max(abs(near.right - far.right), abs(near.left - far.left))
    let low = min(near.left, near.right) - slack, high = max(near.left, near.right) + slack
    let outside = max(low - analytic, analytic - high, 0)
    let nearest = min(max(analytic, low), high)
    return Outcome(
      numeric: nearest, relativeError: outside / max(abs(analytic), abs(nearest), .leastNormalMagnitude), isKink: true)
  }
}
