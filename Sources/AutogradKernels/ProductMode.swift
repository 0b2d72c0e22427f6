/// How products multiply by weights that are not to be learned any more: what of a sum is rounded where.
///
/// Within a mode and a weight's format, an element's bits depend neither on how many rows are multiplied together nor
/// on threads. Gradients pass through a weight's exact numbers in every mode.
public enum ProductMode: String, Sendable, CaseIterable {
  /// The numbers that a weight stands for, in float32: one chain of multiply-adds for each element.
  case exact
  /// Weights and activations rounded to bfloat16, as `MatmulPrecision.bfloat16` has it; attention's products too.
  case bfloat16 = "bf16"
  /// Activations rounded to 8 bits in blocks of 32, times a quantised weight's integers; sums of blocks are added in
  /// float32. Weights that are not quantised are multiplied as in `exact`.
  case integer

  /// How products of other operands multiply.
  public var precision: MatmulPrecision { self == .bfloat16 ? .bfloat16 : .float32 }
}
