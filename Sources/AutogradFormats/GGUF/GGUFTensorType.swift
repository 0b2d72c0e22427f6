/// A type of tensor in a GGUF file: the number that stands for it there, and what its bytes mean.
///
/// Whoever adds one writes a line in `all`, and a block in `Blocks/`.
public struct GGUFTensorType: Sendable, Equatable {
  /// As `ggml.h` counts.
  public let number: UInt32
  public let encoding: TensorEncoding

  public var name: String { encoding.name }

  private init(_ number: UInt32, _ encoding: TensorEncoding) { (self.number, self.encoding) = (number, encoding) }

  private init<Block: NumberBlock>(_ number: UInt32, _ block: Block.Type) { self.init(number, TensorEncoding(block)) }

  /// Every type that can be read.
  public static let all: [GGUFTensorType] = [
    GGUFTensorType(0, .single), GGUFTensorType(1, .half), GGUFTensorType(30, .bfloat16), GGUFTensorType(28, .double),
    GGUFTensorType(2, Q4Block0.self), GGUFTensorType(3, Q4Block1.self), GGUFTensorType(6, Q5Block0.self),
    GGUFTensorType(7, Q5Block1.self), GGUFTensorType(8, Q8Block0.self), GGUFTensorType(12, Q4BlockK.self),
    GGUFTensorType(13, Q5BlockK.self), GGUFTensorType(14, Q6BlockK.self),
    GGUFTensorType(24, TensorEncoding(name: "I8", byteCount: 1)), GGUFTensorType(25, TensorEncoding(name: "I16", byteCount: 2)),
    GGUFTensorType(26, TensorEncoding(name: "I32", byteCount: 4)), GGUFTensorType(27, TensorEncoding(name: "I64", byteCount: 8)),
  ]

  /// The type of a number; nil where this version does not read it.
  static func numbered(_ number: UInt32) -> GGUFTensorType? { all.first { $0.number == number } }

  /// The type of a name.
  static func named(_ name: String) -> GGUFTensorType? { all.first { $0.name == name } }

  /// What ggml calls types that this version does not read, for messages.
  static let otherNames: [UInt32: String] = [
    9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL",
    21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
  ]
}
