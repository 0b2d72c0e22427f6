public import AutogradBase
public import AutogradEngine
import AutogradFormats
import AutogradNeuralNetwork

/// A folder that holds an adapter as PEFT has them: `adapter_config.json` and `adapter_model.safetensors`.
public struct AdapterDirectory: Sendable {
  public let path: String
  private let fileSystem: any FileSystem

  static let configurationName = "adapter_config.json", weightsName = "adapter_model.safetensors"

  /// The files that make a folder one, the first the one by which it is known.
  public static var fileNames: [String] { [configurationName, weightsName] }

  /// What stands before all names.
  private static let prefix = "base_model.model."
  /// The base's hash among the strings of the weights' file, of which others take no notice.
  private static let hashKey = "base_sha256"

  public init(_ path: String, fileSystem: any FileSystem = POSIXFileSystem()) {
    (self.path, self.fileSystem) = (path, fileSystem)
  }

  /// Whether a folder holds one.
  public static func isAdapter(_ path: String, fileSystem: any FileSystem = POSIXFileSystem()) -> Bool {
    fileSystem.exists(path + "/" + configurationName) && !fileSystem.isDirectory(path + "/" + configurationName)
  }

  private var configurationPath: String { path + "/" + AdapterDirectory.configurationName }
  private var weightsPath: String { path + "/" + AdapterDirectory.weightsName }

  // MARK: Reading

  /// What the adapter is like.
  ///
  /// - Throws: Where `adapter_config.json` is none, or asks for what this version does not compute.
  public func configuration() throws(LanguageModelError) -> AdapterConfiguration {
    try AdapterConfiguration(json: try json(), path: configurationPath)
  }

  /// What it says of the model that it was made for.
  public func base() throws(LanguageModelError) -> AdapterBase {
    AdapterBase(
      path: try json()["base_model_name_or_path"]?.stringValue,
      sha256: try contents().header.metadata.first { $0.key == AdapterDirectory.hashKey }?.value)
  }

  /// The adapter, for a model. All or nothing: every mismatch is listed in one error.
  public func load<Scalar: TensorScalar>(
    for model: any LanguageModel<Scalar>
  ) throws(LanguageModelError) -> ModelAdapter<Scalar> {
    let adapter = try ModelAdapter<Scalar>(try configuration(), for: model)
    try load(into: adapter)
    return adapter
  }

  /// Replaces the values of an adapter of the same configuration. All or nothing, as above.
  public func load<Scalar: TensorScalar>(into adapter: ModelAdapter<Scalar>) throws(LanguageModelError) {
    let found = try configuration(), own = adapter.configuration
    guard found.rank == own.rank, found.scale == own.scale else {
      throw .configuration(
        path: configurationPath,
        "it describes an adapter of rank \(found.rank) that counts \(found.scale), not one of rank \(own.rank) that counts "
          + "\(own.scale)")
    }
    let contents = try contents()
    var reader = TensorReader<Scalar>(contents, allowsNonfinite: false)
    let values = adapter.parameters.map { reader.tensor(AdapterDirectory.prefix + $0.path, $0.parameter.shape) }
    reader.noteRest { _ in false }
    guard reader.problems.isEmpty else { throw .weights(path: weightsPath, reader.problems) }
    for (named, value) in zip(adapter.parameters, values) { if let value { named.parameter.set(value.elements) } }
  }

  private func contents() throws(LanguageModelError) -> SafetensorsFile {
    let file: any RandomAccessFile
    do throws(FileError) { file = try fileSystem.openForReading(weightsPath) } catch { throw .file(error) }
    do throws(SafetensorsError) {
      return try SafetensorsFile(file)
    } catch {
      throw .tensorFile(path: weightsPath, TensorFileError(error))
    }
  }

  private func json() throws(LanguageModelError) -> JSON {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try fileSystem.read(configurationPath, byteLimit: 1_000_000)
    } catch {
      throw .file(error)
    }
    do throws(JSONError) { return try JSON(parsing: bytes) } catch { throw .json(path: configurationPath, error) }
  }

  /// Names, types and shapes of the factors.
  public func summary() throws(LanguageModelError) -> TensorSummary {
    try TensorSummary(path: weightsPath, fileSystem: fileSystem)
  }

  // MARK: Writing

  /// The files of a folder, the weights last, as pieces that are made when they are asked for: nothing may be trained
  /// meanwhile.
  ///
  /// - Parameter metadata: Strings for the weights' file.
  public static func files<Scalar: TensorScalar>(
    _ adapter: ModelAdapter<Scalar>, base: AdapterBase, metadata: [(key: String, value: String)] = []
  ) throws(LanguageModelError) -> [(name: String, pieces: any Sequence<[UInt8]>)] {
    var writer = SafetensorsWriter()
    do throws(SafetensorsError) {
      if let hash = base.sha256 { try writer.setMetadata(hashKey, hash) }
      for (key, value) in metadata { try writer.setMetadata(key, value) }
      for named in adapter.parameters {
        let parameter = named.parameter
        try writer.add(prefix + named.path, shape: parameter.shape) {
          let numbers = parameter.array
          return numbers as? [Float] ?? numbers.map { Float($0) }
        }
      }
      let configuration = CollectionOfOne(adapter.json(base: base.path).serialized(pretty: true))
      return [(configurationName, configuration), (weightsName, try writer.pieces())]
    } catch {
      throw .tensorFile(path: weightsName, TensorFileError(error))
    }
  }
}

extension ModelAdapter {
  /// `adapter_config.json`
  fileprivate func json(base: String?) -> JSON {
    .object([
      JSON.Member("peft_type", .string("LORA")), JSON.Member("task_type", .string("CAUSAL_LM")),
      JSON.Member("base_model_name_or_path", base.map { .string($0) } ?? .null),
      JSON.Member("r", .integer(Int64(configuration.rank))), JSON.Member("lora_alpha", .number(configuration.alpha)),
      JSON.Member("lora_dropout", .number(configuration.dropout)),
      JSON.Member("use_rslora", .bool(configuration.isRankStabilized)),
      JSON.Member("target_modules", .array(writtenTargets.map { .string($0) })),
      JSON.Member("fan_in_fan_out", .bool(isTransposed)), JSON.Member("bias", .string("none")),
      JSON.Member("inference_mode", .bool(true)), JSON.Member("init_lora_weights", .bool(true)),
    ])
  }

  /// Names that mean, in the family's files, what was adapted: those that were asked for, or the last parts of all names.
  private var writtenTargets: [String] {
    switch configuration.targets {
    case .named(let names): return names
    case .all: return targetNames
    case .attention, .feedForward:
      // A last part may stand in attention and elsewhere: two parts tell which is meant.
      var names: [String] = []
      for named in parameters {
        let parts = named.path.split(separator: ".").dropLast(2).suffix(2).joined(separator: ".")
        if !names.contains(parts) { names.append(parts) }
      }
      return names
    }
  }
}

extension AdapterConfiguration {
  /// Reads `adapter_config.json`.
  ///
  /// - Throws: `configuration` with what is missing, or what this version does not compute.
  init(json: JSON, path: String) throws(LanguageModelError) {
    func wrong(_ problem: String) -> LanguageModelError { .configuration(path: path, problem) }
    guard json.objectValue != nil else { throw wrong("it is no JSON object") }
    guard json["peft_type"]?.stringValue == "LORA" else {
      throw wrong("peft_type is no \"LORA\", the one kind of adapter that this version has")
    }
    guard let rank = json["r"]?.intValue else { throw wrong("r, the rank, is missing or no whole number") }
    guard let alpha = json["lora_alpha"]?.doubleValue else { throw wrong("lora_alpha is missing or no number") }
    (self.rank, self.alpha) = (rank, alpha)
    func given(_ key: String) -> JSON? { json[key].flatMap { $0.isNull ? nil : $0 } }
    if let value = given("lora_dropout") {
      guard let share = value.doubleValue else { throw wrong("lora_dropout is no number") }
      dropout = share
    }
    if let value = given("use_rslora") {
      guard let answer = value.boolValue else { throw wrong("use_rslora is neither true nor false") }
      isRankStabilized = answer
    }
    switch json["target_modules"] {
    case .string("all-linear")?: targets = .all
    case .array(let names)?:
      let words = names.compactMap(\.stringValue)
      guard words.count == names.count, !words.isEmpty, let named = AdapterTargets(words.joined(separator: ",")) else {
        throw wrong("target_modules is no list of names")
      }
      targets = named == .all || named == .attention || named == .feedForward ? .named(words) : named
    default: throw wrong("target_modules is no list of names; patterns are not read")
    }
    for (key, harmless) in AdapterConfiguration.unsupported {
      guard let value = json[key], !value.isNull, !harmless.contains(value) else { continue }
      throw wrong("it asks for \(key), which this version does not compute")
    }
    // With any other, PEFT changes the base when it loads the adapter.
    if let value = given("init_lora_weights"), value.boolValue == nil,
      !["gaussian", "orthogonal", "eva"].contains(value.stringValue)
    {
      throw wrong(
        "init_lora_weights is \(value.stringValue?.quotedForMessage ?? "no name"), for which the base must be changed, "
          + "too; have PEFT convert it into a plain adapter (path_initial_model_for_weight_conversion)")
    }
    if let problem { throw wrong(problem) }
  }

  /// What changes the computation and is not here, and the values that ask for nothing.
  private static var unsupported: [(String, [JSON])] {
    let nothing: [JSON] = [.bool(false), .object([]), .array([])]
    return [
      ("bias", [.string("none")]), ("modules_to_save", nothing), ("use_dora", nothing), ("rank_pattern", nothing),
      ("alpha_pattern", nothing), ("layers_to_transform", nothing), ("layers_pattern", nothing),
      ("exclude_modules", nothing), ("lora_bias", nothing), ("trainable_token_indices", nothing),
      ("target_parameters", nothing), ("layer_replication", nothing), ("megatron_config", nothing),
      ("alora_invocation_tokens", nothing), ("use_qalora", nothing), ("arrow_config", nothing),
    ]
  }
}
