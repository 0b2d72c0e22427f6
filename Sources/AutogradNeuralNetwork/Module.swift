public import AutogradEngine
import AutogradBase

/// A part of a network that holds parameters, directly or in parts of its own.
///
/// Modules are structs whose parameters are objects: copying a module shares its parameters. A module's parts stand in a
/// fixed order, which gives every parameter a path such as `blocks.0.attention.output.weight`; optimisers, files and
/// random initialisation go by that order. Stored properties are its parts, in the order in which they are declared,
/// unless a module has a `listParts` of its own, to give them other names or another order.
///
/// ```swift
/// struct Normalised: Layer {
///   let linear = Linear<Float>(inputs: 8, outputs: 8)
///   let scale = Parameter<Float>(shape: [8], initially: .ones)
///
///   func callAsFunction(_ x: Variable<Float>) -> Variable<Float> {
///     linear(x).layerNorm(scale: scale, shift: nil)
///   }
/// }
/// let layer = Normalised()
/// layer.initialize(seed: 1)  // linear.weight, linear.bias, scale
/// ```
public protocol Module<Scalar>: ParameterSource {
  // Here once more, so that it follows from `listParts` or from a layer's function.
  associatedtype Scalar

  /// Names the parts: parameters and modules, in order.
  ///
  /// A part that is stored and not named here stops the program when an optimiser is made of the module, or when it is
  /// initialised; `ModuleParts.leaveOut` says that it is meant.
  func listParts(_ parts: inout ModuleParts<Scalar>)
}

extension Module {
  /// Every parameter once, by path, in the order of the parts.
  public var parameters: [NamedParameter<Scalar>] {
    var parts = ModuleParts<Scalar>()
    listParts(&parts)
    return parts.parameters
  }

  /// The number of trained numbers.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.parameter.count } }

  /// The parameter at a path such as `blocks.0.attention.output.weight`; nil where there is none.
  public subscript(path: String) -> Parameter<Scalar>? { parameters.first { $0.path == path }?.parameter }

  /// Gives every parameter its initial values, as its layer declared them: each from a random stream of its own, which
  /// depends on the seed and on the parameter's place. Those whose values were given stay as they are.
  ///
  /// - Precondition: Every stored part is listed; otherwise stops and names it.
  public func initialize(seed: UInt64) {
    requireListedParts()
    drawInitialValues(seed: seed)
  }

  /// Takes memory for the values of all parameters now instead of at their first use, and touches it.
  ///
  /// - Returns: Whether the system had it.
  public func reserve() -> Bool { parameters.allSatisfy { $0.parameter.reserve() } }

  /// Stops training of every parameter: backward passes them over, values stay.
  ///
  /// An optimiser made before goes on with what it has: freeze first, then make the optimiser.
  public func freeze() { setTrainable(false) }

  /// Takes back `freeze()`, for every parameter.
  public func unfreeze() { setTrainable(true) }

  private func setTrainable(_ isTrainable: Bool) {
    for named in parameters { named.parameter.isTrainable = isTrainable }
  }
}

/// A module that makes one variable out of one: what `Sequential` is made of.
public protocol Layer<Scalar>: Module {
  associatedtype Scalar

  func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar>
}
