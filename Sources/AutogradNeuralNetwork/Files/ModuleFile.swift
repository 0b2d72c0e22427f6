import AutogradEngine
public import AutogradBase
internal import AutogradFormats

/// A safetensors file that holds a module's parameters by path, and an optimiser's state if wanted.
///
/// Numbers come back bit for bit: `Float` is stored as F32, `Double` as F64. Loading is all or nothing: one
/// error lists every tensor that is missing, unexpected, of another shape or of a type that would be rounded,
/// and then nothing was changed. The file is replaced in one moment, so a reader finds the old one or the new
/// one.
///
/// ```swift
/// let file = ModuleFile("mlp.safetensors")
/// try file.save(model, optimizer)
/// try file.load(model, optimizer)
/// ```
public struct ModuleFile: Sendable {
  public let path: String
  private let fileSystem: any FileSystem

  private static let optimizerPrefix = "optimizer/"
  private static let stepCountKey = "optimizer_step_count"

  public init(_ path: String, fileSystem: any FileSystem = POSIXFileSystem()) {
    self.path = path
    self.fileSystem = fileSystem
  }

  // MARK: Writing

  /// Writes all parameters as they are now, and what the optimiser remembers.
  ///
  /// - Throws: `ModuleFileError.file`, or `.safetensors` where two parameters share a path.
  public func save<Scalar>(
    _ module: some Module<Scalar>, _ optimizer: (any Optimizer<Scalar>)? = nil
  ) throws(ModuleFileError) {
    let bytes = try serialized(module.parameters, optimizer?.state)
    do throws(FileError) {
      try fileSystem.writeAtomically(bytes, to: path)
    } catch {
      throw .file(error)
    }
  }

  private func serialized<Scalar>(
    _ parameters: [NamedParameter<Scalar>], _ state: OptimizerState<Scalar>?
  ) throws(ModuleFileError) -> [UInt8] {
    var writer = SafetensorsWriter()
    do throws(SafetensorsError) {
      for named in parameters { try add(named.path, named.parameter.tensor, to: &writer) }
      if let state {
        try writer.setMetadata(ModuleFile.stepCountKey, String(state.stepCount))
        for (key, tensor) in state.tensors { try add(ModuleFile.optimizerPrefix + key, tensor, to: &writer) }
      }
      return try writer.serialized()
    } catch {
      throw .safetensors(path: path, "\(error)")
    }
  }

  private func add<Scalar>(
    _ name: String, _ tensor: Tensor<Scalar>, to writer: inout SafetensorsWriter
  ) throws(SafetensorsError) {
    let shape = tensor.shape.array
    switch Scalar.elementType {
    case .float32: try writer.add(name, shape: shape, floats: tensor.elements.map { Float($0) })
    case .float64: try writer.add(name, shape: shape, doubles: tensor.elements.map { Double($0) })
    }
  }

  // MARK: Reading

  /// Reads all parameters, and what the optimiser remembers. Without one, a state in the file is passed over.
  ///
  /// - Parameter allowsNonfinite: Takes NaN and infinities, which are refused by name otherwise.
  /// - Throws: `ModuleFileError`; then neither module nor optimiser was changed.
  public func load<Scalar>(
    _ module: some Module<Scalar>, _ optimizer: (any Optimizer<Scalar>)? = nil, allowsNonfinite: Bool = false
  ) throws(ModuleFileError) {
    let contents = try contents(), parameters = module.parameters, old = optimizer?.state
    var reader = TensorReader<Scalar>(contents, allowsNonfinite: allowsNonfinite)
    let values = parameters.map { reader.tensor($0.path, $0.parameter.shape) }
    let state = (old?.tensors ?? []).map { entry in
      (
        key: entry.key,
        tensor: reader.tensor(ModuleFile.optimizerPrefix + entry.key, entry.tensor.shape.array)
      )
    }
    let stepEntry = contents.header.metadata.first { $0.key == ModuleFile.stepCountKey }
    let stepCount = stepEntry.flatMap { Int($0.value) }
    if old != nil, stepCount == nil {
      reader.note("the metadata has no \(ModuleFile.stepCountKey)")
    }
    reader.noteRest { optimizer == nil && $0.hasPrefix(ModuleFile.optimizerPrefix) }
    if !reader.problems.isEmpty { throw .mismatch(path: path, reader.problems) }

    if let optimizer {
      let tensors = state.compactMap { entry in entry.tensor.map { (key: entry.key, tensor: $0) } }
      do throws(OptimizerStateError) {
        try optimizer.restore(OptimizerState(stepCount: stepCount ?? 0, tensors: tensors))
      } catch {
        throw .mismatch(path: path, error.problems)
      }
    }
    for (named, value) in zip(parameters, values) { if let value { named.parameter.set(value.elements) } }
  }

  private func contents() throws(ModuleFileError) -> SafetensorsFile {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try fileSystem.read(path, byteLimit: 1 << 40)
    } catch {
      throw .file(error)
    }
    do throws(SafetensorsError) {
      return try SafetensorsFile(bytes: bytes)
    } catch {
      throw .safetensors(path: path, "\(error)")
    }
  }
}
