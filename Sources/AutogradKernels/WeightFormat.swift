public import CAutogradKernels

/// How a stored weight holds its numbers: each alone, or in blocks along the inputs that share scales.
///
/// Whoever adds one writes a line in CK_WEIGHT_FORMATS (CAutogradKernelsWeights.h), its functions in
/// `bodies/weight_words.h`, `weight_formats.h`, `weight_integers.h` and `weights.c`, and a line here.
public struct WeightFormat: Sendable, Hashable, CustomStringConvertible {
  /// What kernels call it.
  public let code: ck_weight_format
  /// As files and commands have it: `q8_0`.
  public let name: String
  /// Numbers along the inputs that share a head: blocks divide the inputs. 1 where each stands alone.
  public let blockLength: Int

  /// Where a block as ggml lays it out has numbers in half precision.
  public let halfOffsets: [Int]

  private init(_ code: ck_weight_format, halfOffsets: [Int] = []) {
    // INVARIANT: a constant, whose name is a string that never ends.
    let layout = unsafe ck_weight_layout_of(code)
    self.code = code
    name = unsafe String(cString: layout.name)
    blockLength = unsafe layout.head > 0 ? layout.block : 1
    self.halfOffsets = halfOffsets
  }

  public static let float32 = WeightFormat(CK_WEIGHT_F32)
  public static let float16 = WeightFormat(CK_WEIGHT_F16)
  public static let bfloat16 = WeightFormat(CK_WEIGHT_BF16)
  /// d · q of 8 bits.
  public static let q8_0 = WeightFormat(CK_WEIGHT_Q8_0, halfOffsets: [0])
  /// d · (q − 8), q of 4 bits.
  public static let q4_0 = WeightFormat(CK_WEIGHT_Q4_0, halfOffsets: [0])
  /// d · q + m, q of 4 bits.
  public static let q4_1 = WeightFormat(CK_WEIGHT_Q4_1, halfOffsets: [0, 2])
  /// d · (q − 16), q of 5 bits.
  public static let q5_0 = WeightFormat(CK_WEIGHT_Q5_0, halfOffsets: [0])
  /// d · q + m, q of 5 bits.
  public static let q5_1 = WeightFormat(CK_WEIGHT_Q5_1, halfOffsets: [0, 2])
  /// (d · s) · q − dmin · m, q of 4 bits; s and m, of 6 bits, are those of 32 numbers, d and dmin those of 256. It takes
  /// 4.625 bits for a number, in a file 4.5.
  public static let q4_K = WeightFormat(CK_WEIGHT_Q4_K, halfOffsets: [0, 2])
  /// The same, q of 5 bits.
  public static let q5_K = WeightFormat(CK_WEIGHT_Q5_K, halfOffsets: [0, 2])
  /// (d · s) · (q − 32), q of 6 bits; s, of 8 bits, is that of 16 numbers, d that of 256. 6.5625 bits for a number.
  public static let q6_K = WeightFormat(CK_WEIGHT_Q6_K, halfOffsets: [208])

  public static let all: [WeightFormat] = [
    float32, float16, bfloat16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_K, q5_K, q6_K,
  ]

  /// The format of a name; nil where there is none.
  public static func named(_ name: String) -> WeightFormat? { all.first { $0.name == name } }

  /// Its numbers are small integers, which can be multiplied as such.
  public var isQuantized: Bool { blockLength > 1 }

  /// What a row of numbers, or of blocks as ggml lays them out, takes where it comes from.
  public func sourceBytes(_ count: Int) -> Int {
    guard isQuantized else { return 4 * count }
    // INVARIANT: a constant; nobody follows its pointer.
    let layout = unsafe ck_weight_layout_of(code)
    return unsafe count / blockLength * layout.source
  }

  /// Bytes of a weight [outputs, inputs] in panels of `panelWidth` outputs.
  public func byteCount(outputs: Int, inputs: Int, panelWidth: Int) -> Int {
    (outputs + panelWidth - 1) / panelWidth * ck_weight_panel_bytes(code, panelWidth, inputs)
  }

  public var description: String { name }

  public static func == (a: WeightFormat, b: WeightFormat) -> Bool { a.code == b.code }
  public func hash(into hasher: inout Hasher) { hasher.combine(code.rawValue) }
}
