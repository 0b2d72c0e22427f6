public import AutogradEngine

/// A part of a network that holds parameters, directly or in parts of its own.
///
/// Modules are plain structs whose parameters are objects: copying a module shares its parameters. A module lists
/// its parts in a fixed order, which gives every parameter a path such as `blocks.0.attention.output.weight`; optimisers,
/// files and random initialisation go by that order.
public protocol Module<Scalar> {
  associatedtype Scalar: TensorScalar

  /// Names the parts: parameters and modules, in order.
  func listParts(_ parts: inout ModuleParts<Scalar>)
}

/// A parameter and where it stands in its module.
public struct NamedParameter<Scalar: TensorScalar> {
  /// The names from the outermost module to the parameter, joined by dots.
  public let path: String
  public let parameter: Parameter<Scalar>

  public init(path: String, parameter: Parameter<Scalar>) {
    self.path = path
    self.parameter = parameter
  }
}

/// Collects the parts of a module.
public struct ModuleParts<Scalar: TensorScalar> {
  public private(set) var parameters: [NamedParameter<Scalar>] = []
  private var prefix = ""

  init() {}

  /// Adds a parameter; an absent one is passed over.
  public mutating func add(_ name: String, _ parameter: Parameter<Scalar>?) {
    guard let parameter else { return }
    if parameter.name == nil { parameter.name = prefix + name }
    parameters.append(NamedParameter(path: prefix + name, parameter: parameter))
  }

  /// Adds a module's parts under its name.
  public mutating func add(_ name: String, _ module: some Module<Scalar>) {
    let outer = prefix
    prefix += name + "."
    module.listParts(&self)
    prefix = outer
  }

  /// Adds modules under their numbers: `name.0`, `name.1` …
  public mutating func add(_ name: String, _ modules: [some Module<Scalar>]) {
    for (index, module) in modules.enumerated() { add("\(name).\(index)", module) }
  }
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
  func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar>
}
