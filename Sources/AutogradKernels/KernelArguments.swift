public import CAutogradKernels

/// The arguments of one kernel. The type names the kernel, so that arguments and function cannot be mismatched.
///
/// Arguments hold raw pointers: whoever fills them in answers for sizes and lifetimes.
///
/// INVARIANT: the function that a type names is the one whose body in CAutogradKernels/bodies takes its arguments to be of
/// that type. Tables and functions are constants: a function stays valid for ever.
public protocol KernelArguments {
  static func function(in table: ck_table) -> ck_function

  /// The kernel that multiplies pairs of bfloat16; nil where the arguments' kernel multiplies no matrices.
  static func pairFunction(in table: ck_pair_table) -> ck_function?
}

extension KernelArguments {
  public static func pairFunction(in table: ck_pair_table) -> ck_function? { nil }
}

extension ck_unary: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.unary }
}
extension ck_unary_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.unary_backward }
}
extension ck_affine: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.affine }
}
extension ck_fill: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.fill }
}
extension ck_dropout: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.dropout }
}
extension ck_binary: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.binary }
}
extension ck_strided_copy: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.strided_copy }
}
extension ck_sum: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.sum }
}
extension ck_softmax: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.softmax }
}
extension ck_softmax_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.softmax_backward }
}
extension ck_layer_norm: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.layer_norm }
}
extension ck_layer_norm_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.layer_norm_backward }
}
extension ck_rms_norm: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.rms_norm }
}
extension ck_rms_norm_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.rms_norm_backward }
}
extension ck_gate: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.gate }
}
extension ck_gate_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.gate_backward }
}
extension ck_embedding: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.embedding }
}
extension ck_embedding_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.embedding_backward }
}
extension ck_cross_entropy: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.cross_entropy }
}
extension ck_clip: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.clip }
}
extension ck_clip_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.clip_backward }
}
extension ck_strided_write: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.strided_write }
}
extension ck_extremum: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.extremum }
}
extension ck_extremum_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.extremum_backward }
}
extension ck_log_softmax: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.log_softmax }
}
extension ck_log_softmax_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.log_softmax_backward }
}
extension ck_log_sum_exp: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.log_sum_exp }
}
extension ck_log_sum_exp_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.log_sum_exp_backward }
}
extension ck_gather: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.gather }
}
extension ck_gather_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.gather_backward }
}
extension ck_pair_loss: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.pair_loss }
}
extension ck_pair_loss_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.pair_loss_backward }
}
extension ck_gemm_pack: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.gemm_pack }
  public static func pairFunction(in table: ck_pair_table) -> ck_function? { unsafe table.gemm_pack }
}
extension ck_gemm: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.gemm }
  public static func pairFunction(in table: ck_pair_table) -> ck_function? { unsafe table.gemm }
}
extension ck_attention: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.attention }
  public static func pairFunction(in table: ck_pair_table) -> ck_function? { unsafe table.attention }
}
extension ck_attention_backward: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.attention_backward }
  public static func pairFunction(in table: ck_pair_table) -> ck_function? { unsafe table.attention_backward }
}
extension ck_cache_append: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.cache_append }
  public static func pairFunction(in table: ck_pair_table) -> ck_function? { unsafe table.cache_append }
}
extension ck_cached_attention: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.cached_attention }
  public static func pairFunction(in table: ck_pair_table) -> ck_function? { unsafe table.cached_attention }
}
extension ck_norm: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.norm }
}
extension ck_rule: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.update }
}
extension ck_weight_rows: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.weight_rows }
  public static func pairFunction(in table: ck_pair_table) -> ck_function? { unsafe table.weight_rows }
}
extension ck_weight_integers: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.weight_integers }
}
extension ck_weight_embedding: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.weight_embedding }
}
extension ck_quantize: @unsafe KernelArguments {
  public static func function(in table: ck_table) -> ck_function { unsafe table.quantize }
}
