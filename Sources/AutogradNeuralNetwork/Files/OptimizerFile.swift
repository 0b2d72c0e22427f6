public import AutogradEngine
public import AutogradBase
internal import AutogradFormats

/// A safetensors file with what an optimiser remembers, and gradients that wait for more batches, if wanted.
///
/// Numbers come back bit for bit, NaN and infinities too. It is written in pieces and never stands in memory whole.
public struct OptimizerFile<Scalar: TensorScalar>: Sendable {
  private static var stepCountKey: String { "optimizer_step_count" }
  private static var momentPrefix: String { "optimizer/" }
  private static var gradientPrefix: String { "gradient/" }

  /// What a file holds.
  public struct Contents: Sendable {
    public let state: OptimizerState<Scalar>
    /// By parameter path; empty where none were saved.
    public let gradients: [(path: String, tensor: Tensor<Scalar>)]
  }

  // MARK: Writing

  /// The file's bytes, made piece by piece as they are asked for: nothing may be trained meanwhile.
  ///
  /// - Parameter gradients: The parameters whose gradients to save.
  public static func pieces(
    _ optimizer: any Optimizer<Scalar>, gradients: [NamedParameter<Scalar>] = []
  ) throws(ModuleFileError) -> any Sequence<[UInt8]> {
    var writer = SafetensorsWriter(), failure: SafetensorsError?
    func add(_ name: String, _ shape: [Int], _ append: @escaping (inout [UInt8]) -> Void) {
      do throws(SafetensorsError) {
        try writer.add(name, dtype: Scalar.elementType == .float32 ? .f32 : .f64, shape: shape, appendBytes: append)
      } catch {
        failure = error
      }
    }
    for moment in optimizer.moments {
      add(momentPrefix + moment.key, moment.shape) { bytes in moment.withValues { appendBytes(of: $0, to: &bytes) } }
    }
    for named in gradients {
      add(gradientPrefix + named.path, named.parameter.shape) { bytes in
        appendBytes(of: named.parameter.gradient.elements.span, to: &bytes)
      }
    }
    do throws(SafetensorsError) {
      if let failure { throw failure }
      try writer.setMetadata(stepCountKey, String(optimizer.stepCount))
      return try writer.pieces()
    } catch {
      throw .safetensors(path: "optimizer.safetensors", "\(error)")
    }
  }

  // MARK: Reading

  /// Reads a file whose tensors fit an optimiser and a module. All or nothing: one error lists every mismatch.
  public static func read(
    _ path: String, for optimizer: any Optimizer<Scalar>, _ parameters: [NamedParameter<Scalar>],
    fileSystem: any FileSystem = POSIXFileSystem()
  ) throws(ModuleFileError) -> Contents {
    let file: any RandomAccessFile
    do throws(FileError) {
      file = try fileSystem.openForReading(path)
    } catch {
      throw .file(error)
    }
    let contents: SafetensorsFile
    do throws(SafetensorsError) {
      contents = try SafetensorsFile(file)
    } catch {
      throw .safetensors(path: path, "\(error)")
    }
    var reader = TensorReader<Scalar>(contents, allowsNonfinite: true)
    var moments: [(key: String, tensor: Tensor<Scalar>)] = []
    for moment in optimizer.moments {
      if let tensor = reader.tensor(momentPrefix + moment.key, moment.shape) { moments.append((moment.key, tensor)) }
    }
    var gradients: [(path: String, tensor: Tensor<Scalar>)] = []
    if contents.names.contains(where: { $0.hasPrefix(gradientPrefix) }) {
      for named in parameters where named.parameter.isTrainable {
        guard let tensor = reader.tensor(gradientPrefix + named.path, named.parameter.shape) else { continue }
        gradients.append((named.path, tensor))
      }
    }
    let stepCount = contents.header.metadata.first { $0.key == stepCountKey }.flatMap { Int($0.value) }
    if stepCount == nil { reader.note("the metadata has no \(stepCountKey)") }
    reader.noteRest { _ in false }
    guard reader.problems.isEmpty, let stepCount else { throw .mismatch(path: path, reader.problems) }
    return Contents(state: OptimizerState(stepCount: stepCount, tensors: moments), gradients: gradients)
  }
}

/// Appends numbers as they lie in memory.
///
/// Every system that the kernels run on is little-endian, as the format is.
func appendBytes<Scalar: TensorScalar>(of values: Span<Scalar>, to bytes: inout [UInt8]) {
  // INVARIANT: the buffer is only read, and only during the call; any bytes of a number are bytes.
  unsafe values.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
}
