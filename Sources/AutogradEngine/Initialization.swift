public import AutogradBase

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How a parameter's values begin. A layer declares it where it makes the parameter; `Module.initialize(seed:)` draws.
///
/// Fans are those of a weight [output, input]: fanIn the inputs of one output, fanOut the outputs that one input has;
/// further axes (a convolution's) multiply both.
public enum Initialization: Sendable, Equatable {
  /// The same number everywhere.
  case constant(Double)
  /// A normal distribution around 0.
  case normal(deviation: Double)
  /// Evenly from [−bound, bound).
  case uniform(bound: Double)
  /// A normal distribution around 0, drawn again whatever lies further away than `limit` deviations.
  ///
  /// The result's own deviation is smaller than `deviation`: 0.88 of it for a limit of 2, as in PyTorch's
  /// `trunc_normal_` with its bounds at `limit · deviation`.
  case truncatedNormal(deviation: Double, limit: Double = 2)
  /// Glorot and Bengio's bounds, for tanh and attention: evenly within ±gain·√(6/(fanIn + fanOut)).
  case xavierUniform(gain: Double = 1)
  /// The same variance from a normal distribution: deviation gain·√(2/(fanIn + fanOut)).
  case xavierNormal(gain: Double = 1)
  /// He and others' bounds, for ReLU (gain √2): evenly within ±gain·√(3/fanIn).
  case kaimingUniform(gain: Double = 2.0.squareRoot())
  /// The same variance from a normal distribution: deviation gain/√fanIn.
  case kaimingNormal(gain: Double = 2.0.squareRoot())

  public static var zeros: Initialization { .constant(0) }
  public static var ones: Initialization { .constant(1) }

  /// Needs no random numbers: a parameter has such values as soon as it is made.
  var isConstant: Bool { if case .constant = self { true } else { false } }

  /// A function that draws the next element of a parameter of that shape.
  ///
  /// - Precondition: A limit is above 0, and what goes by fans has two axes or more; otherwise stops and prints it.
  func drawing(shape: [Int]) -> (inout RandomStream) -> Double {
    switch self {
    case .constant(let value): return { _ in value }
    case .normal(let deviation): return { $0.normal() * deviation }
    case .uniform(let bound): return { (2 * $0.uniform() - 1) * bound }
    case .truncatedNormal(let deviation, let limit):
      guard limit > 0 else { fatalError("truncatedNormal: no number lies within \(limit) deviations") }
      return { random in
        while true {
          let draw = random.normal()
          if abs(draw) <= limit { return draw * deviation }
        }
      }
    case .xavierUniform(let gain):
      let fan = fans(shape)
      return Initialization.uniform(bound: gain * (6 / Double(fan.input + fan.output)).squareRoot()).drawing(shape: shape)
    case .xavierNormal(let gain):
      let fan = fans(shape), deviation = gain * (2 / Double(fan.input + fan.output)).squareRoot()
      return Initialization.normal(deviation: deviation).drawing(shape: shape)
    case .kaimingUniform(let gain):
      return Initialization.uniform(bound: gain * (3 / Double(fans(shape).input)).squareRoot()).drawing(shape: shape)
    case .kaimingNormal(let gain):
      return Initialization.normal(deviation: gain / Double(fans(shape).input).squareRoot()).drawing(shape: shape)
    }
  }

  private func fans(_ shape: [Int]) -> (input: Int, output: Int) {
    guard shape.count >= 2 else {
      fatalError("initialisation: a weight has two axes, [output, input], or more; got shape \(shape)")
    }
    let field = shape.dropFirst(2).reduce(1, *)
    return (max(1, shape[1] * field), max(1, shape[0] * field))
  }
}

extension ParameterSource {
  /// Gives every parameter its initial values, each from a random stream of its own, which depends on the seed and on the
  /// parameter's place. Those whose values were given stay as they are.
  package func drawInitialValues(seed: UInt64) {
    for (index, named) in parameters.enumerated() {
      guard let initialization = named.parameter.initialization else { continue }
      var random = RandomStream(seed: seed, purpose: .initialization, ordinal: UInt32(index))
      named.parameter.fill(initialization, &random)
    }
  }
}

extension Parameter {
  /// Makes a parameter that begins as `initialization` says: a constant at once, a random one when its module's
  /// `initialize(seed:)` or `fill` draws it. To compute with it before stops with a sentence.
  ///
  /// ```swift
  /// let scale = Parameter<Float>(shape: [channels], initially: .ones)
  /// let weight = Parameter<Float>(shape: [outputs, inputs], initially: .xavierUniform())
  /// ```
  public convenience init(shape: [Int], initially initialization: Initialization) {
    self.init(zeros: shape)
    self.initialization = initialization
    switch initialization {
    case .constant(0): break
    case .constant(let value): set([Scalar](repeating: Scalar(value), count: count))
    default: core.hasValues = false
    }
  }

  /// How the values begin; nil where they were given, and `Module.initialize(seed:)` leaves them alone.
  ///
  /// To set it changes no values.
  public var initialization: Initialization? {
    get { core.initialization }
    set { core.initialization = newValue }
  }

  /// Draws every element, in row-major order.
  public func fill(_ initialization: Initialization, _ random: inout RandomStream) {
    // Memory that nobody has written is zero, and a model that is only planned takes none.
    if initialization == .zeros, !core.value.isTaken { return }
    let draw = initialization.drawing(shape: shape)
    // INVARIANT: no step is running on these values; the caller makes or resets a model.
    let values = unsafe currentValues
    for index in values.indices { unsafe values[index] = Scalar(draw(&random)) }
    core.noteChange()
  }
}
