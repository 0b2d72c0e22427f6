public import AutogradEngine

/// Collects the parts of a module.
public struct ModuleParts<Scalar: TensorScalar> {
  /// Each parameter once: one that stands in two places has the first path.
  public private(set) var parameters: [NamedParameter<Scalar>] = []
  private var prefix = ""
  private var seen: Set<ObjectIdentifier> = []

  init() {}

  /// Adds a parameter; an absent one is passed over.
  public mutating func add(_ name: String, _ parameter: Parameter<Scalar>?) {
    guard let parameter, seen.insert(ObjectIdentifier(parameter.core)).inserted else { return }
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

  /// Says that what a module stores is on purpose no part of it, such as a teacher that is neither trained nor saved.
  public mutating func leaveOut(_ source: some ParameterSource<Scalar>) {
    for named in source.parameters { seen.insert(ObjectIdentifier(named.parameter.core)) }
  }

  /// Whether a parameter was added or left out.
  func knows(_ parameter: Parameter<Scalar>) -> Bool { seen.contains(ObjectIdentifier(parameter.core)) }
}

// MARK: Stored properties

extension Module {
  /// Names the stored properties that are parameters or modules, or optional or in arrays, in order of declaration.
  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    for (name, part) in storedParts(of: self) {
      switch part {
      case .parameter(let parameter): parts.add(name, parameter)
      case .module(let module): parts.add(name, module)
      }
    }
  }

  /// Stops and names a stored parameter or module, here or in a part, that `listParts` did not name.
  ///
  /// - Complexity: looks at every stored property; not for a step.
  func requireListedParts() {
    var parts = ModuleParts<Scalar>()
    listParts(&parts)
    for (name, part) in storedParts(of: self) {
      switch part {
      case .parameter(let parameter):
        if !parts.knows(parameter) { stopAtForgotten(name) }
      case .module(let module):
        if !module.parameters.allSatisfy({ parts.knows($0.parameter) }) { stopAtForgotten(name) }
        module.requireListedParts()
      }
    }
  }

  private func stopAtForgotten(_ name: String) -> Never {
    fatalError(
      "\(type(of: self)): listParts does not name \(name), so it would be neither trained nor saved; add it there, "
        + "or say parts.leaveOut(\(name))")
  }
}

private enum StoredPart<Scalar: TensorScalar> {
  case parameter(Parameter<Scalar>)
  case module(any Module<Scalar>)
}

/// The parameters and modules among a module's stored properties, those of its superclasses first.
private func storedParts<Scalar>(of module: some Module<Scalar>) -> [(name: String, part: StoredPart<Scalar>)] {
  var mirrors: [Mirror] = [], next: Mirror? = Mirror(reflecting: module)
  while let mirror = next {
    mirrors.insert(mirror, at: 0)
    next = mirror.superclassMirror
  }
  var found: [(name: String, part: StoredPart<Scalar>)] = []
  for mirror in mirrors {
    for child in mirror.children { collect(child.label ?? "", child.value, into: &found) }
  }
  return found
}

/// Adds a value that is a part, or the parts in an optional, an array or a tuple.
private func collect<Scalar>(_ name: String, _ value: Any, into found: inout [(name: String, part: StoredPart<Scalar>)]) {
  if let parameter = value as? Parameter<Scalar> { return found.append((name, .parameter(parameter))) }
  if let module = value as? any Module<Scalar> { return found.append((name, .module(module))) }
  let mirror = Mirror(reflecting: value)
  switch mirror.displayStyle {
  case .optional:
    if let content = mirror.children.first { collect(name, content.value, into: &found) }
  case .collection, .tuple:
    // A long array of numbers is given up at its first.
    for (index, child) in mirror.children.enumerated() {
      let before = found.count
      collect("\(name).\(index)", child.value, into: &found)
      if mirror.displayStyle == .collection, found.count == before, !isOptional(child.value) { return }
    }
  default: break
  }
}

private func isOptional(_ value: Any) -> Bool { Mirror(reflecting: value).displayStyle == .optional }
