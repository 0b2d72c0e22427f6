import AutogradBase
public import AutogradKernels

/// Checks the gradients of a computation against differences of its values.
///
/// Do not use it near a kink (`relu` at 0): differences step across, and the check fails though the gradient
/// is right. It checks what `body` computes with these parameters at their present values, no more; frozen
/// parameters are passed over.
///
/// The output y is contracted with a random cotangent u, since one of ones is blind: Σ softmax(x) is 1 whatever
/// x is. Then two things are compared with Jᵀu from `backward`: each element (or a random sample) of each
/// parameter, and ⟨u, J·v⟩ with ⟨Jᵀu, v⟩ for random directions v through all parameters at once, which no sample
/// can miss. Differences are central and of fourth order; `body` runs four times for each.
///
/// ```swift
/// let report = checkGradients(of: [weight]) { tape in tape.input(x).matmul(weight).tanh() }
/// precondition(report.passes, "\(report)")
/// ```
///
/// - Parameters:
///   - parameters: What to differentiate by. Their values are restored, their gradients are those of the check.
///   - tolerance: The largest relative error that passes. Numbers smaller than what rounding makes of the
///     differences are judged as if they were that large.
///   - step: The distance of a difference, times 1 + |x|.
///   - sampleCount: Elements to check in each parameter; nil checks all.
///   - directionCount: Random directions to check.
///   - seed: Fixes the cotangent, the sample, the directions and the dropout.
///   - backend: What runs the kernels.
///   - body: The computation. It must give the same values for the same parameters.
/// - Returns: The worst comparison, with both values.
/// - Complexity: 4 · (elements + `directionCount`) + 1 runs of `body`.
public func checkGradients(
  of parameters: [Parameter<Double>], tolerance: Double = 1e-6, step: Double = 1e-3, sampleCount: Int? = nil,
  directionCount: Int = 2, seed: UInt64 = 0, backend: Backend = Backend(),
  _ body: (Tape<Double>) -> Variable<Double>
) -> GradientReport {
  let tape = Tape<Double>(backend: backend)
  tape.seed = seed
  tape.randomStep = 0
  let trainable = parameters.filter(\.isTrainable)
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
    // A difference carries some hundred roundings of the number, divided by the step.
    let floor = 128 * Double.ulpOfOne * magnitude / (step * tolerance)
    func add(_ subject: GradientReport.Comparison.Subject, _ analytic: Double, _ numeric: Double) {
      let scale = max(abs(analytic), abs(numeric), floor, .leastNormalMagnitude)
      report.add(
        .init(
          subject: subject, analytic: analytic, numeric: numeric,
          relativeError: abs(analytic - numeric) / scale))
    }
    for (number, parameter) in parameters.enumerated() {
      for index in indices(parameter.count, sampleCount, &random) {
        let numeric = derivative(of: parameter, at: index, value)
        add(.element(parameter: number, index: index), gradients[number][index], numeric)
      }
    }
    guard parameters.contains(where: { $0.count > 0 }) else { return report }
    for number in 0..<directionCount {
      let direction = parameters.map { parameter in (0..<parameter.count).map { _ in random.normal() } }
      let analytic = zip(gradients, direction).reduce(0.0) { sum, pair in
        sum + zip(pair.0, pair.1).reduce(0) { $0 + $1.0 * $1.1 }
      }
      add(.direction(number), analytic, derivative(along: direction, value))
    }
    return report
  }

  private func indices(_ count: Int, _ sampleCount: Int?, _ random: inout RandomStream) -> [Int] {
    guard let sampleCount, sampleCount < count else { return Array(0..<count) }
    return (0..<sampleCount).map { _ in random.integer(below: count) }
  }

  private func derivative(of parameter: Parameter<Double>, at index: Int, _ value: () -> Double) -> Double {
    let original = parameter.array
    defer { parameter.set(original) }
    let h = step * (1 + abs(original[index]))
    return difference(h) { offset in
      var moved = original
      moved[index] += offset
      parameter.set(moved)
      return value()
    }
  }

  /// The directions' elements are about 1: the step shrinks with the root of their number, so that the point
  /// moves about as far as for a single element.
  private func derivative(along direction: [[Double]], _ value: () -> Double) -> Double {
    let originals = parameters.map(\.array)
    defer { for (parameter, original) in zip(parameters, originals) { parameter.set(original) } }
    let h = step / Double(direction.reduce(0) { $0 + $1.count }).squareRoot()
    return difference(h) { offset in
      for (number, parameter) in parameters.enumerated() {
        parameter.set(zip(originals[number], direction[number]).map { $0 + offset * $1 })
      }
      return value()
    }
  }

  /// (f(−2h) − 8·f(−h) + 8·f(h) − f(2h)) / 12h: the error is of order h⁴.
  private func difference(_ h: Double, _ f: (Double) -> Double) -> Double {
    let near = f(h) - f(-h), far = f(2 * h) - f(-2 * h)
    return (8 * near - far) / (12 * h)
  }
}
