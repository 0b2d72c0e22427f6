import AutogradBase
public import AutogradEngine
public import AutogradNeuralNetwork

/// Adapters of low rank for the weights of a model, one for each product that files know by a name: a few numbers that are
/// learned in the place of the model's own.
///
/// - SeeAlso: `LowRankAdapter`, which is that of one weight.
public final class ModelAdapter<Scalar: TensorScalar> {
  public let configuration: AdapterConfiguration
  /// A and B of each target, by the names that PEFT has for them without `base_model.model.`, in the order of the
  /// model's weights: `model.layers.0.self_attn.q_proj.lora_A.weight`.
  public let parameters: [NamedParameter<Scalar>]
  /// What was adapted, by the last part of its name: `q_proj`.
  public let targetNames: [String]
  /// Whether the family's files have weights as [input, output].
  let isTransposed: Bool
  /// The adapter of each weight, by its path in the model.
  private let adapters: [(path: String, adapter: LowRankAdapter<Scalar>)]

  /// Makes factors without values for a model.
  ///
  /// - Throws: `invalidConfiguration` where a number is out of range, or no weight has a name that was asked for.
  public init(
    _ configuration: AdapterConfiguration, for model: any LanguageModel<Scalar>
  ) throws(LanguageModelError) {
    if let problem = configuration.problem { throw .invalidConfiguration(problem) }
    let sizes = model.configuration
    var parameters: [NamedParameter<Scalar>] = [], names: [String] = [], others: [String] = []
    var adapters: [(String, LowRankAdapter<Scalar>)] = [], isTransposed = false
    for tensor in model.tensors where tensor.description.role.isAdaptable {
      var parts: [LowRankAdapter<Scalar>.Part] = []
      for stored in sizes.family.stored(tensor.description, sizes) {
        let module = ModelAdapter.module(stored.name), name = ModelAdapter.lastPart(module)
        guard configuration.targets.contains(path: tensor.description.path, module: module) else {
          if !others.contains(name) { others.append(name) }
          continue
        }
        if !names.contains(name) { names.append(name) }
        isTransposed = isTransposed || stored.isTransposed
        let down = Parameter<Scalar>(
          shape: [configuration.rank, stored.rowWidth], initially: .kaimingUniform(gain: (1.0 / 3).squareRoot()))
        let up = Parameter<Scalar>(shape: [stored.rowCount, configuration.rank], initially: .zeros)
        parameters.append(NamedParameter(path: module + ".lora_A.weight", parameter: down))
        parameters.append(NamedParameter(path: module + ".lora_B.weight", parameter: up))
        parts.append(
          .init(
            down: down, up: up, scale: configuration.scale, firstRow: stored.firstRow, rowStep: stored.rowStep))
      }
      guard !parts.isEmpty else { continue }
      let adapter = LowRankAdapter(parts, of: tensor.description.shape, dropout: configuration.dropout)
      adapters.append((tensor.description.path, adapter))
    }
    try ModelAdapter.requireTargets(configuration.targets, parameters.map(\.path), names + others)
    for named in parameters { named.parameter.name = named.path }
    (self.configuration, self.parameters, targetNames) = (configuration, parameters, names)
    (self.adapters, self.isTransposed) = (adapters, isTransposed)
  }

  /// Every name that was asked for is that of some weight.
  private static func requireTargets(
    _ targets: AdapterTargets, _ paths: [String], _ known: [String]
  ) throws(LanguageModelError) {
    var missing: [String] = []
    if case .named(let names) = targets {
      missing = names.filter { name in !paths.contains { ("." + $0).contains("." + name + ".lora_") } }
    }
    guard !missing.isEmpty || paths.isEmpty else { return }
    let shown = missing.prefix(5).map(\.quotedForMessage).joined(separator: " or ")
      + (missing.count > 5 ? " or as \(missing.count - 5) more are" : "")
    throw .invalidConfiguration(
      "no weight of the model is called \(shown); those that can have an "
        + "adapter are \(known.joined(separator: ", "))")
  }

  /// `model.layers.0.mlp.up_proj.weight` without its end.
  private static func module(_ name: String) -> String {
    name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
  }

  private static func lastPart(_ module: String) -> String {
    String(module.split(separator: ".").last ?? Substring(module))
  }

  /// Draws A as PEFT does, evenly within ±1/√inputs, and sets B to zero, so that the model computes what it did: each A from a
  /// random stream of its own, which depends on the seed and on its place.
  public func initialize(seed: UInt64) {
    // Zeros are written, too, where there is memory for them: the first step is not to ask for it.
    for named in parameters { _ = named.parameter.reserve() }
    parameters.drawInitialValues(seed: seed)
  }

  /// The number of numbers that are learned.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.parameter.count } }

  /// Makes a model apply it, and learn nothing else: every parameter of the model is frozen.
  ///
  /// - Precondition: The model has the configuration of the one that it was made for.
  public func attach(to model: any LanguageModel<Scalar>) {
    var byPath: [String: LowRankAdapter<Scalar>] = [:]
    for (path, adapter) in adapters { byPath[path] = adapter }
    for tensor in model.tensors {
      tensor.parameter.isTrainable = false
      tensor.parameter.adapt(byPath[tensor.description.path])
    }
  }

  /// The adapter of a weight, by its path in the model; nil where it has none.
  public func adapter(ofWeightAt path: String) -> LowRankAdapter<Scalar>? { adapters.first { $0.path == path }?.adapter }
}

extension TensorDescription.Role {
  /// Whether weights of this role can have an adapter.
  var isAdaptable: Bool { self == .projection || self == .residualProjection }
}

extension LanguageModel {
  /// Makes the model apply several adapters at once, each times a number: to be used, and not to be learned any more.
  ///
  /// The factors of each weight are joined once, so that a step has two small products more for it, however many adapters
  /// there are.
  public func apply(_ adapters: [(adapter: ModelAdapter<Scalar>, scale: Double)]) {
    for tensor in tensors {
      var parts: [LowRankAdapter<Scalar>.Part] = []
      for (adapter, scale) in adapters {
        for part in adapter.adapter(ofWeightAt: tensor.description.path)?.parts ?? [] {
          parts.append(
            .init(
              down: part.down, up: part.up, scale: part.scale * scale, firstRow: part.firstRow, rowStep: part.rowStep))
        }
      }
      if parts.isEmpty { continue }
      tensor.parameter.adapt(LowRankAdapter(parts, of: tensor.description.shape).joined())
    }
  }

  /// Adds adapters to the weights themselves, each times a number.
  ///
  /// - Precondition: The weights lie in memory as numbers; otherwise stops and says so.
  public func merge(_ adapters: [(adapter: ModelAdapter<Scalar>, scale: Double)]) {
    for tensor in tensors {
      for (adapter, scale) in adapters {
        guard let change = adapter.adapter(ofWeightAt: tensor.description.path)?.change() else { continue }
        var numbers = tensor.parameter.array
        for index in numbers.indices { numbers[index] += Scalar(scale) * change[index] }
        tensor.parameter.set(numbers)
      }
    }
  }
}
