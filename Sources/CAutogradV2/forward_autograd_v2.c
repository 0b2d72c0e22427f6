/* Made by Scripts/make_forwarders.py: do not edit. */
#include "autograd_v2_impl.h"

AUTOGRAD_WEAK int autograd_v2_init(void) {
  return autograd_v2_impl_autograd_v2_init();
}

AUTOGRAD_WEAK void autograd_v2_cleanup(void) {
  autograd_v2_impl_autograd_v2_cleanup();
}

AUTOGRAD_WEAK int autograd_reset_iteration(void) {
  return autograd_v2_impl_autograd_reset_iteration();
}

AUTOGRAD_WEAK TensorV2 *tensor_create_persistent(const int *shape, int rank) {
  return autograd_v2_impl_tensor_create_persistent(shape, rank);
}

AUTOGRAD_WEAK TensorV2 *tensor_create_temp(const int *shape, int rank) {
  return autograd_v2_impl_tensor_create_temp(shape, rank);
}

AUTOGRAD_WEAK TensorV2 *tensor_zeros_persistent(const int *shape, int rank) {
  return autograd_v2_impl_tensor_zeros_persistent(shape, rank);
}

AUTOGRAD_WEAK TensorV2 *tensor_zeros_temp(const int *shape, int rank) {
  return autograd_v2_impl_tensor_zeros_temp(shape, rank);
}

AUTOGRAD_WEAK TensorV2 *tensor_randn_persistent(const int *shape, int rank, double scale) {
  return autograd_v2_impl_tensor_randn_persistent(shape, rank, scale);
}

AUTOGRAD_WEAK TensorV2 *tensor_clone_temp(const TensorV2 *tensor) {
  return autograd_v2_impl_tensor_clone_temp(tensor);
}

AUTOGRAD_WEAK void tensor_free_persistent(TensorV2 *tensor) {
  autograd_v2_impl_tensor_free_persistent(tensor);
}

AUTOGRAD_WEAK void tensor_init_xavier(TensorV2 *tensor) {
  autograd_v2_impl_tensor_init_xavier(tensor);
}

AUTOGRAD_WEAK TensorV2 *tensor_add(TensorV2 *a, TensorV2 *b) {
  return autograd_v2_impl_tensor_add(a, b);
}

AUTOGRAD_WEAK TensorV2 *tensor_subtract(TensorV2 *a, TensorV2 *b) {
  return autograd_v2_impl_tensor_subtract(a, b);
}

AUTOGRAD_WEAK TensorV2 *tensor_multiply(TensorV2 *a, TensorV2 *b) {
  return autograd_v2_impl_tensor_multiply(a, b);
}

AUTOGRAD_WEAK TensorV2 *tensor_matmul(TensorV2 *a, TensorV2 *b) {
  return autograd_v2_impl_tensor_matmul(a, b);
}

AUTOGRAD_WEAK TensorV2 *tensor_transpose(TensorV2 *x) {
  return autograd_v2_impl_tensor_transpose(x);
}

AUTOGRAD_WEAK TensorV2 *tensor_relu(TensorV2 *x) {
  return autograd_v2_impl_tensor_relu(x);
}

AUTOGRAD_WEAK TensorV2 *tensor_softmax(TensorV2 *x) {
  return autograd_v2_impl_tensor_softmax(x);
}

AUTOGRAD_WEAK double tensor_sum(const TensorV2 *tensor) {
  return autograd_v2_impl_tensor_sum(tensor);
}

AUTOGRAD_WEAK VariableV2 *var_create_persistent(TensorV2 *tensor, bool requires_grad) {
  return autograd_v2_impl_var_create_persistent(tensor, requires_grad);
}

AUTOGRAD_WEAK VariableV2 *var_create_parameter(TensorV2 *tensor) {
  return autograd_v2_impl_var_create_parameter(tensor);
}

AUTOGRAD_WEAK VariableV2 *var_create_temp(TensorV2 *tensor, bool requires_grad) {
  return autograd_v2_impl_var_create_temp(tensor, requires_grad);
}

AUTOGRAD_WEAK void var_zero_grad(VariableV2 *variable) {
  autograd_v2_impl_var_zero_grad(variable);
}

AUTOGRAD_WEAK void var_free_persistent(VariableV2 *variable) {
  autograd_v2_impl_var_free_persistent(variable);
}

AUTOGRAD_WEAK TapeV2 *tape_create(void) {
  return autograd_v2_impl_tape_create();
}

AUTOGRAD_WEAK void tape_destroy(TapeV2 *tape) {
  autograd_v2_impl_tape_destroy(tape);
}

AUTOGRAD_WEAK void tape_reset(TapeV2 *tape) {
  autograd_v2_impl_tape_reset(tape);
}

AUTOGRAD_WEAK int tape_add_op(TapeV2 *tape, VariableV2 **inputs, int num_inputs, VariableV2 *output, BackwardFunc backward, void *ctx) {
  return autograd_v2_impl_tape_add_op(tape, inputs, num_inputs, output, backward, ctx);
}

AUTOGRAD_WEAK int tape_backward(TapeV2 *tape) {
  return autograd_v2_impl_tape_backward(tape);
}

AUTOGRAD_WEAK int autograd_backward(VariableV2 *loss) {
  return autograd_v2_impl_autograd_backward(loss);
}

AUTOGRAD_WEAK int tape_record_layer_norm(VariableV2 *out, VariableV2 *in, VariableV2 *gamma, VariableV2 *beta, double mean, double var) {
  return autograd_v2_impl_tape_record_layer_norm(out, in, gamma, beta, mean, var);
}

AUTOGRAD_WEAK int tape_record_layer_norm_v2(VariableV2 *out, VariableV2 *in, VariableV2 *gamma, VariableV2 *beta, const double *means, const double *vars, int n) {
  return autograd_v2_impl_tape_record_layer_norm_v2(out, in, gamma, beta, means, vars, n);
}

AUTOGRAD_WEAK int tape_record_cross_entropy(VariableV2 *loss, VariableV2 *logits, const int *targets, int seq_len) {
  return autograd_v2_impl_tape_record_cross_entropy(loss, logits, targets, seq_len);
}

AUTOGRAD_WEAK VariableV2 *ag_add(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_add(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_subtract(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_subtract(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_multiply(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_multiply(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_divide(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_divide(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_matmul(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_matmul(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_matmul_transposed(VariableV2 *a, VariableV2 *b, bool transpose_a, bool transpose_b) {
  return autograd_v2_impl_ag_matmul_transposed(a, b, transpose_a, transpose_b);
}

AUTOGRAD_WEAK VariableV2 *ag_relu(VariableV2 *x) {
  return autograd_v2_impl_ag_relu(x);
}

AUTOGRAD_WEAK VariableV2 *ag_softmax(VariableV2 *x) {
  return autograd_v2_impl_ag_softmax(x);
}

AUTOGRAD_WEAK VariableV2 *ag_transpose(VariableV2 *x) {
  return autograd_v2_impl_ag_transpose(x);
}

AUTOGRAD_WEAK VariableV2 *ag_permute(VariableV2 *x, const int *order, int rank) {
  return autograd_v2_impl_ag_permute(x, order, rank);
}

AUTOGRAD_WEAK VariableV2 *ag_cross_entropy_loss(VariableV2 *logits, VariableV2 *targets) {
  return autograd_v2_impl_ag_cross_entropy_loss(logits, targets);
}

AUTOGRAD_WEAK VariableV2 *compute_cross_entropy_loss(VariableV2 *logits, const int *targets, int seq_len) {
  return autograd_v2_impl_compute_cross_entropy_loss(logits, targets, seq_len);
}

AUTOGRAD_WEAK VariableV2 *ag_cross_entropy_ignoring(VariableV2 *logits, const int *targets, int count, int ignored) {
  return autograd_v2_impl_ag_cross_entropy_ignoring(logits, targets, count, ignored);
}

AUTOGRAD_WEAK VariableV2 *ag_linear_cross_entropy(VariableV2 *x, VariableV2 *weight, const int *targets, int count) {
  return autograd_v2_impl_ag_linear_cross_entropy(x, weight, targets, count);
}

AUTOGRAD_WEAK VariableV2 *ag_linear_cross_entropy_ignoring(VariableV2 *x, VariableV2 *weight, const int *targets, int count, int ignored) {
  return autograd_v2_impl_ag_linear_cross_entropy_ignoring(x, weight, targets, count, ignored);
}

AUTOGRAD_WEAK VariableV2 *ag_squared_error(VariableV2 *predictions, VariableV2 *targets) {
  return autograd_v2_impl_ag_squared_error(predictions, targets);
}

AUTOGRAD_WEAK VariableV2 *ag_binary_cross_entropy(VariableV2 *logits, VariableV2 *targets) {
  return autograd_v2_impl_ag_binary_cross_entropy(logits, targets);
}

AUTOGRAD_WEAK VariableV2 *var_add(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_var_add(a, b);
}

AUTOGRAD_WEAK VariableV2 *var_reshape(VariableV2 *x, const int *shape, int rank) {
  return autograd_v2_impl_var_reshape(x, shape, rank);
}

AUTOGRAD_WEAK VariableV2 *var_relu(VariableV2 *x) {
  return autograd_v2_impl_var_relu(x);
}

AUTOGRAD_WEAK VariableV2 *var_softmax_2d(VariableV2 *x) {
  return autograd_v2_impl_var_softmax_2d(x);
}

AUTOGRAD_WEAK VariableV2 *ag_gelu(VariableV2 *x) {
  return autograd_v2_impl_ag_gelu(x);
}

AUTOGRAD_WEAK VariableV2 *ag_gelu_exact(VariableV2 *x) {
  return autograd_v2_impl_ag_gelu_exact(x);
}

AUTOGRAD_WEAK VariableV2 *ag_silu(VariableV2 *x) {
  return autograd_v2_impl_ag_silu(x);
}

AUTOGRAD_WEAK VariableV2 *ag_tanh(VariableV2 *x) {
  return autograd_v2_impl_ag_tanh(x);
}

AUTOGRAD_WEAK VariableV2 *ag_sigmoid(VariableV2 *x) {
  return autograd_v2_impl_ag_sigmoid(x);
}

AUTOGRAD_WEAK VariableV2 *ag_exp(VariableV2 *x) {
  return autograd_v2_impl_ag_exp(x);
}

AUTOGRAD_WEAK VariableV2 *ag_log(VariableV2 *x) {
  return autograd_v2_impl_ag_log(x);
}

AUTOGRAD_WEAK VariableV2 *ag_sqrt(VariableV2 *x) {
  return autograd_v2_impl_ag_sqrt(x);
}

AUTOGRAD_WEAK VariableV2 *ag_pow(VariableV2 *x, double exponent) {
  return autograd_v2_impl_ag_pow(x, exponent);
}

AUTOGRAD_WEAK VariableV2 *ag_power(VariableV2 *base, VariableV2 *exponent) {
  return autograd_v2_impl_ag_power(base, exponent);
}

AUTOGRAD_WEAK VariableV2 *ag_neg(VariableV2 *x) {
  return autograd_v2_impl_ag_neg(x);
}

AUTOGRAD_WEAK VariableV2 *ag_abs(VariableV2 *x) {
  return autograd_v2_impl_ag_abs(x);
}

AUTOGRAD_WEAK VariableV2 *ag_clip(VariableV2 *x, double low, double high) {
  return autograd_v2_impl_ag_clip(x, low, high);
}

AUTOGRAD_WEAK VariableV2 *ag_log_softmax(VariableV2 *x) {
  return autograd_v2_impl_ag_log_softmax(x);
}

AUTOGRAD_WEAK VariableV2 *ag_log_sum_exp(VariableV2 *x, bool keep) {
  return autograd_v2_impl_ag_log_sum_exp(x, keep);
}

AUTOGRAD_WEAK VariableV2 *ag_scale(VariableV2 *x, double factor) {
  return autograd_v2_impl_ag_scale(x, factor);
}

AUTOGRAD_WEAK VariableV2 *ag_sum(VariableV2 *x) {
  return autograd_v2_impl_ag_sum(x);
}

AUTOGRAD_WEAK VariableV2 *ag_mean(VariableV2 *x) {
  return autograd_v2_impl_ag_mean(x);
}

AUTOGRAD_WEAK VariableV2 *ag_max(VariableV2 *x) {
  return autograd_v2_impl_ag_max(x);
}

AUTOGRAD_WEAK VariableV2 *ag_min(VariableV2 *x) {
  return autograd_v2_impl_ag_min(x);
}

AUTOGRAD_WEAK VariableV2 *ag_sum_axis(VariableV2 *x, int axis, bool keep) {
  return autograd_v2_impl_ag_sum_axis(x, axis, keep);
}

AUTOGRAD_WEAK VariableV2 *ag_mean_axis(VariableV2 *x, int axis, bool keep) {
  return autograd_v2_impl_ag_mean_axis(x, axis, keep);
}

AUTOGRAD_WEAK VariableV2 *ag_max_axis(VariableV2 *x, int axis, bool keep) {
  return autograd_v2_impl_ag_max_axis(x, axis, keep);
}

AUTOGRAD_WEAK VariableV2 *ag_min_axis(VariableV2 *x, int axis, bool keep) {
  return autograd_v2_impl_ag_min_axis(x, axis, keep);
}

AUTOGRAD_WEAK VariableV2 *ag_variance(VariableV2 *x, double correction) {
  return autograd_v2_impl_ag_variance(x, correction);
}

AUTOGRAD_WEAK VariableV2 *ag_variance_axis(VariableV2 *x, int axis, bool keep, double correction) {
  return autograd_v2_impl_ag_variance_axis(x, axis, keep, correction);
}

AUTOGRAD_WEAK VariableV2 *ag_slice(VariableV2 *x, int axis, int start, int length) {
  return autograd_v2_impl_ag_slice(x, axis, start, length);
}

AUTOGRAD_WEAK VariableV2 *ag_concat(VariableV2 **parts, int count, int axis) {
  return autograd_v2_impl_ag_concat(parts, count, axis);
}

AUTOGRAD_WEAK VariableV2 *ag_stack(VariableV2 **parts, int count, int axis) {
  return autograd_v2_impl_ag_stack(parts, count, axis);
}

AUTOGRAD_WEAK VariableV2 *ag_less(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_less(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_less_equal(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_less_equal(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_greater(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_greater(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_greater_equal(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_greater_equal(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_equal(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_equal(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_not_equal(VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_not_equal(a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_where(VariableV2 *mask, VariableV2 *a, VariableV2 *b) {
  return autograd_v2_impl_ag_where(mask, a, b);
}

AUTOGRAD_WEAK VariableV2 *ag_gather(VariableV2 *x, const int *tokens, const int *shape, int rank, int axis) {
  return autograd_v2_impl_ag_gather(x, tokens, shape, rank, axis);
}

AUTOGRAD_WEAK VariableV2 *ag_layer_norm(VariableV2 *x, VariableV2 *gamma, VariableV2 *beta, double eps) {
  return autograd_v2_impl_ag_layer_norm(x, gamma, beta, eps);
}

AUTOGRAD_WEAK VariableV2 *ag_attention(VariableV2 *q, VariableV2 *k, VariableV2 *v, int n_heads) {
  return autograd_v2_impl_ag_attention(q, k, v, n_heads);
}

AUTOGRAD_WEAK VariableV2 *ag_attention_dropout(VariableV2 *q, VariableV2 *k, VariableV2 *v, int n_heads, double rate) {
  return autograd_v2_impl_ag_attention_dropout(q, k, v, n_heads, rate);
}

AUTOGRAD_WEAK VariableV2 *ag_embedding(VariableV2 *table, const int *tokens, int count) {
  return autograd_v2_impl_ag_embedding(table, tokens, count);
}

AUTOGRAD_WEAK VariableV2 *ag_dropout(VariableV2 *x, double rate) {
  return autograd_v2_impl_ag_dropout(x, rate);
}

AUTOGRAD_WEAK VariableV2 *ag_recompute(VariableV2 *x, VariableV2 *(*part)(VariableV2 *x, void *user), void *user) {
  return autograd_v2_impl_ag_recompute(x, part, user);
}

AUTOGRAD_WEAK Linear *linear_create(int in_features, int out_features) {
  return autograd_v2_impl_linear_create(in_features, out_features);
}

AUTOGRAD_WEAK VariableV2 *linear_forward(Linear *layer, VariableV2 *x) {
  return autograd_v2_impl_linear_forward(layer, x);
}

AUTOGRAD_WEAK void linear_free(Linear *layer) {
  autograd_v2_impl_linear_free(layer);
}

AUTOGRAD_WEAK Embedding *embedding_create(int vocab_size, int embed_dim) {
  return autograd_v2_impl_embedding_create(vocab_size, embed_dim);
}

AUTOGRAD_WEAK VariableV2 *embedding_forward(Embedding *layer, const int *tokens, int count) {
  return autograd_v2_impl_embedding_forward(layer, tokens, count);
}

AUTOGRAD_WEAK void embedding_free(Embedding *layer) {
  autograd_v2_impl_embedding_free(layer);
}

AUTOGRAD_WEAK LayerNorm *layernorm_create(int dim) {
  return autograd_v2_impl_layernorm_create(dim);
}

AUTOGRAD_WEAK VariableV2 *layernorm_forward(LayerNorm *layer, VariableV2 *x) {
  return autograd_v2_impl_layernorm_forward(layer, x);
}

AUTOGRAD_WEAK void layernorm_free(LayerNorm *layer) {
  autograd_v2_impl_layernorm_free(layer);
}

AUTOGRAD_WEAK OptimizerV2 *optimizer_create(VariableV2 **parameters, int num_params, double lr) {
  return autograd_v2_impl_optimizer_create(parameters, num_params, lr);
}

AUTOGRAD_WEAK void optimizer_zero_grad(OptimizerV2 *optimizer) {
  autograd_v2_impl_optimizer_zero_grad(optimizer);
}

AUTOGRAD_WEAK int optimizer_step(OptimizerV2 *optimizer) {
  return autograd_v2_impl_optimizer_step(optimizer);
}

AUTOGRAD_WEAK void optimizer_destroy(OptimizerV2 *optimizer) {
  autograd_v2_impl_optimizer_destroy(optimizer);
}

AUTOGRAD_WEAK AdamOptimizerV2 *adam_create(double learning_rate) {
  return autograd_v2_impl_adam_create(learning_rate);
}

AUTOGRAD_WEAK int adam_add_param(AdamOptimizerV2 *optimizer, VariableV2 *parameter) {
  return autograd_v2_impl_adam_add_param(optimizer, parameter);
}

AUTOGRAD_WEAK int adam_step(AdamOptimizerV2 *optimizer) {
  return autograd_v2_impl_adam_step(optimizer);
}

AUTOGRAD_WEAK void adam_free(AdamOptimizerV2 *optimizer) {
  autograd_v2_impl_adam_free(optimizer);
}

AUTOGRAD_WEAK const char *autograd_last_error(void) {
  return autograd_v2_impl_autograd_last_error();
}

AUTOGRAD_WEAK void autograd_clear_error(void) {
  autograd_v2_impl_autograd_clear_error();
}

AUTOGRAD_WEAK void autograd_set_error_handler(AutogradErrorHandler handler, void *user) {
  autograd_v2_impl_autograd_set_error_handler(handler, user);
}

AUTOGRAD_WEAK AutogradContext *autograd_context_create(void) {
  return autograd_v2_impl_autograd_context_create();
}

AUTOGRAD_WEAK int autograd_context_use(AutogradContext *context) {
  return autograd_v2_impl_autograd_context_use(context);
}

AUTOGRAD_WEAK void autograd_context_destroy(AutogradContext *context) {
  autograd_v2_impl_autograd_context_destroy(context);
}

AUTOGRAD_WEAK void autograd_accumulate_gradients(bool accumulate) {
  autograd_v2_impl_autograd_accumulate_gradients(accumulate);
}

AUTOGRAD_WEAK bool autograd_set_recording(bool recording) {
  return autograd_v2_impl_autograd_set_recording(recording);
}

AUTOGRAD_WEAK void autograd_set_seed(uint64_t seed) {
  autograd_v2_impl_autograd_set_seed(seed);
}

AUTOGRAD_WEAK int autograd_set_threads(int threads) {
  return autograd_v2_impl_autograd_set_threads(threads);
}

AUTOGRAD_WEAK int autograd_set_memory_limit(size_t bytes) {
  return autograd_v2_impl_autograd_set_memory_limit(bytes);
}

AUTOGRAD_WEAK void autograd_set_anomaly_mode(bool on) {
  autograd_v2_impl_autograd_set_anomaly_mode(on);
}

AUTOGRAD_WEAK const char *autograd_version(void) {
  return autograd_v2_impl_autograd_version();
}

AUTOGRAD_WEAK const char *autograd_explain_gradients(VariableV2 **parameters, int count) {
  return autograd_v2_impl_autograd_explain_gradients(parameters, count);
}

AUTOGRAD_WEAK int autograd_check_gradients(VariableV2 *(*forward)(void *user), void *user, VariableV2 **parameters, int count, double tolerance) {
  return autograd_v2_impl_autograd_check_gradients(forward, user, parameters, count, tolerance);
}

AUTOGRAD_WEAK void autograd_memory_report(FILE *stream) {
  autograd_v2_impl_autograd_memory_report(stream);
}
