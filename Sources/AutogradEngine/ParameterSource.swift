/// What parameters can be taken from: a module, a list of named parameters, or a list of parameters.
///
/// Whatever asks for parameters (optimisers, gradient checks, `explainGradients`) takes any of these.
public protocol ParameterSource<Scalar> {
  associatedtype Scalar: TensorScalar

  /// Every parameter once, by path, in order.
  var parameters: [NamedParameter<Scalar>] { get }
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

/// A parameter, with or without a path: what lists of parameters are made of.
public protocol ParameterReference<Scalar> {
  associatedtype Scalar: TensorScalar

  /// The parameter under its path or name, or under its place in a list.
  func named(place: Int) -> NamedParameter<Scalar>
}

extension Parameter: ParameterReference {
  public func named(place: Int) -> NamedParameter<Scalar> {
    NamedParameter(path: name ?? "parameter \(place)", parameter: self)
  }
}

extension NamedParameter: ParameterReference {
  public func named(place: Int) -> NamedParameter<Scalar> { self }
}

extension Array: ParameterSource where Element: ParameterReference {
  public typealias Scalar = Element.Scalar

  public var parameters: [NamedParameter<Element.Scalar>] { enumerated().map { $1.named(place: $0) } }
}
