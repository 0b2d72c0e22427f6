/// How matrix products of `Float` multiply. They always add in float32; products of `Double` know one way only.
public enum MatmulPrecision: String, Sendable, CaseIterable {
  /// Operands as they are.
  case float32 = "fp32"
  /// Operands rounded to bfloat16 (8 bits of mantissa) as they are packed: with AVX512-BF16 twice as many
  /// multiplications per cycle. Without it matrix products round too and then multiply in float32: near the same
  /// numbers, without the speed; attention does not even round. Subnormal operands count as zero.
  case bfloat16 = "bf16"
}
