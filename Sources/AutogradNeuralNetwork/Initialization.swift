public import AutogradEngine
public import AutogradBase

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// Random initial values. Fans are those of a weight [output, input]: fanIn the inputs of one output, fanOut
// the outputs that one input has; further axes (a convolution's) multiply both.
extension Parameter {
  /// Draws every element from a normal distribution around 0.
  public func fillNormal(deviation: Double, _ random: inout RandomStream) {
    fill { random.normal() * deviation }
  }

  /// Draws every element evenly from [−bound, bound).
  public func fillUniform(bound: Double, _ random: inout RandomStream) {
    fill { (2 * random.uniform() - 1) * bound }
  }

  /// Draws from a normal distribution around 0, and again whatever lies further away than `limit` deviations.
  ///
  /// The result's own deviation is smaller than `deviation`: 0.88 of it for a limit of 2, as in PyTorch's
  /// `trunc_normal_` with its bounds at `limit · deviation`.
  ///
  /// - Precondition: `limit` is above 0; otherwise stops and prints it.
  public func fillTruncatedNormal(deviation: Double, limit: Double = 2, _ random: inout RandomStream) {
    guard limit > 0 else { fatalError("fillTruncatedNormal: no number lies within \(limit) deviations") }
    fill {
      while true {
        let draw = random.normal()
        if abs(draw) <= limit { return draw * deviation }
      }
    }
  }

  /// Glorot and Bengio's bounds, for tanh and attention: evenly within ±gain·√(6/(fanIn + fanOut)).
  public func fillXavierUniform(gain: Double = 1, _ random: inout RandomStream) {
    let fan = fans
    fillUniform(bound: gain * (6 / Double(fan.input + fan.output)).squareRoot(), &random)
  }

  /// The same variance from a normal distribution: deviation gain·√(2/(fanIn + fanOut)).
  public func fillXavierNormal(gain: Double = 1, _ random: inout RandomStream) {
    let fan = fans
    fillNormal(deviation: gain * (2 / Double(fan.input + fan.output)).squareRoot(), &random)
  }

  /// He and others' bounds, for ReLU (gain √2): evenly within ±gain·√(3/fanIn).
  public func fillKaimingUniform(gain: Double = 2.0.squareRoot(), _ random: inout RandomStream) {
    fillUniform(bound: gain * (3 / Double(fans.input)).squareRoot(), &random)
  }

  /// The same variance from a normal distribution: deviation gain/√fanIn.
  public func fillKaimingNormal(gain: Double = 2.0.squareRoot(), _ random: inout RandomStream) {
    fillNormal(deviation: gain / Double(fans.input).squareRoot(), &random)
  }

  private var fans: (input: Int, output: Int) {
    guard shape.count >= 2 else {
      fatalError("initialisation: a weight has two axes, [output, input], or more; got shape \(shape)")
    }
    let field = shape.dropFirst(2).reduce(1, *)
    return (max(1, shape[1] * field), max(1, shape[0] * field))
  }

  private func fill(_ draw: () -> Double) {
    // INVARIANT: no step is running on these values; the caller makes or resets a model.
    let values = unsafe currentValues
    core.noteChange()
    for index in values.indices { unsafe values[index] = Scalar(draw()) }
  }
}

extension Module {
  /// Fills every weight of two axes or more, each from a random stream of its own; the others stay as they
  /// are, which is zeros for biases and ones for scales.
  ///
  /// - Parameter fill: What to draw: Xavier's uniform distribution unless told otherwise.
  public func fillWeights(
    seed: UInt64,
    _ fill: (NamedParameter<Scalar>, inout RandomStream) -> Void = { $0.parameter.fillXavierUniform(&$1) }
  ) {
    for (index, named) in parameters.enumerated() where named.parameter.shape.count >= 2 {
      var random = RandomStream(seed: seed, purpose: .initialization, ordinal: UInt32(index))
      fill(named, &random)
    }
  }
}
