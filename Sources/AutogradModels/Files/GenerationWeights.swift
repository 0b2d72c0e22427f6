import AutogradEngine
import AutogradFormats
import AutogradKernels

/// In what form the large weights of a model are kept for generating: those of its products, and the table of its
/// tokens. Norms, biases and learned positions stay float32.
///
/// A form with blocks (of 32; of 256 in q4_K, q5_K and q6_K) holds only weights whose inputs they divide; others are
/// kept as bfloat16.
public enum GenerationWeights: String, Sendable, CaseIterable {
  case float32 = "f32"
  /// Rounded to the nearest.
  case bfloat16 = "bf16"
  /// Quantised as GGUF files are written; where the file has such blocks, those.
  case q8_0, q4_0, q4_1
  /// As the file has them: F32, F16, BF16 and every type of block that is read, exactly. Only what it has in several
  /// parts of different types is kept as bfloat16.
  case asStored = "file"

  /// How a weight is kept.
  ///
  /// - Parameters:
  ///   - encodings: How the file has its parts.
  ///   - inputs: Its columns.
  func format(of encodings: [TensorEncoding], inputs: Int) -> WeightFormat {
    let wanted = switch self {
    case .float32: WeightFormat.float32
    case .bfloat16: WeightFormat.bfloat16
    case .q8_0: WeightFormat.q8_0
    case .q4_0: WeightFormat.q4_0
    case .q4_1: WeightFormat.q4_1
    case .asStored: GenerationWeights.format(as: encodings)
    }
    return inputs % wanted.blockLength == 0 ? wanted : .bfloat16
  }

  private static func format(as encodings: [TensorEncoding]) -> WeightFormat {
    guard let first = encodings.first, encodings.allSatisfy({ $0 == first }) else { return .bfloat16 }
    if let format = WeightFormat.of(first) { return format }
    return first.blockLength == 1 ? .float32 : .bfloat16
  }
}

extension WeightFormat {
  /// The format whose blocks are those of an encoding; nil where there is none.
  static func of(_ encoding: TensorEncoding) -> WeightFormat? {
    all.first { $0.name.lowercased() == encoding.name.lowercased() }
  }
}

extension TensorDescription.Role {
  /// Whether weights of this role are kept in the form that generating asks for.
  var isPacked: Bool { isProductWeight || self == .tokenEmbedding }
}

/// What a model's weights take in memory, by their form.
public struct WeightUse: Sendable, Equatable {
  /// `q4_1`
  public let format: String
  public let tensorCount: Int
  public let byteCount: Int
}

extension LanguageModel {
  /// Whether some of its weights are kept in blocks of small integers.
  public var hasQuantizedWeights: Bool {
    tensors.contains { ($0.parameter as? Parameter<Float>)?.storedWeight?.format.isQuantized == true }
  }

  /// What the weights take in memory, the form with the most bytes first.
  public var weightUse: [WeightUse] {
    var uses: [String: WeightUse] = [:]
    for tensor in tensors {
      let stored = (tensor.parameter as? Parameter<Float>)?.storedWeight
      let name = stored?.format.name ?? WeightFormat.float32.name
      let bytes = tensor.parameter.core.valueBytes
      let before = uses[name] ?? WeightUse(format: name, tensorCount: 0, byteCount: 0)
      uses[name] = WeightUse(
        format: name, tensorCount: before.tensorCount + 1, byteCount: before.byteCount + bytes)
    }
    return uses.values.sorted { ($0.byteCount, $1.format) > ($1.byteCount, $0.format) }
  }
}
