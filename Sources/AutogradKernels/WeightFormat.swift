public import CAutogradKernels

/// How a stored weight holds its numbers: each alone, or in blocks of 32 along the inputs that share scales.
///
/// Whoever adds one writes a line in CK_WEIGHT_FORMATS (CAutogradKernelsWeights.h), its functions in
/// `bodies/weight_formats.h` and `weights.c`, and a line here.
public struct WeightFormat: Sendable, Hashable, CustomStringConvertible {
  /// What kernels call it.
  public let code: ck_weight_format
  /// As files and commands have it: `q8_0`.
  public let name: String
  /// Numbers along the inputs that share a head: blocks divide the inputs. 1 where each stands alone.
  public let blockLength: Int

  private init(_ code: ck_weight_format, _ name: String, blockLength: Int = 1) {
    (self.code, self.name, self.blockLength) = (code, name, blockLength)
  }

  public static let float32 = WeightFormat(CK_WEIGHT_F32, "f32")
  public static let float16 = WeightFormat(CK_WEIGHT_F16, "f16")
  public static let bfloat16 = WeightFormat(CK_WEIGHT_BF16, "bf16")
  /// d · q of 8 bits.
  public static let q8_0 = WeightFormat(CK_WEIGHT_Q8_0, "q8_0", blockLength: Int(CK_WEIGHT_BLOCK))
  /// d · (q − 8), q of 4 bits.
  public static let q4_0 = WeightFormat(CK_WEIGHT_Q4_0, "q4_0", blockLength: Int(CK_WEIGHT_BLOCK))
  /// d · q + m, q of 4 bits.
  public static let q4_1 = WeightFormat(CK_WEIGHT_Q4_1, "q4_1", blockLength: Int(CK_WEIGHT_BLOCK))

  public static let all: [WeightFormat] = [float32, float16, bfloat16, q8_0, q4_0, q4_1]

  /// The format of a name; nil where there is none.
  public static func named(_ name: String) -> WeightFormat? { all.first { $0.name == name } }

  /// Its numbers are small integers, which can be multiplied as such.
  public var isQuantized: Bool { blockLength > 1 }

  /// What a row of numbers, or of blocks as ggml lays them out, takes where it comes from.
  public func sourceBytes(_ count: Int) -> Int {
    guard isQuantized else { return 4 * count }
    // INVARIANT: a constant; only its name is a pointer, and nobody follows it.
    let layout = unsafe ck_weight_layout_of(code)
    return unsafe count / blockLength * (layout.head + blockLength * 4 / layout.numbers)
  }

  /// Bytes of a block's integers, without its head.
  public var quantBytes: Int {
    // INVARIANT: as above.
    let layout = unsafe ck_weight_layout_of(code)
    return unsafe blockLength * 4 / layout.numbers
  }

  /// Bytes of a weight [outputs, inputs] in panels of `panelWidth` outputs.
  public func byteCount(outputs: Int, inputs: Int, panelWidth: Int) -> Int {
    (outputs + panelWidth - 1) / panelWidth * ck_weight_panel_bytes(code, panelWidth, inputs)
  }

  public var description: String { name }

  public static func == (a: WeightFormat, b: WeightFormat) -> Bool { a.code == b.code }
  public func hash(into hasher: inout Hasher) { hasher.combine(code.rawValue) }
}
