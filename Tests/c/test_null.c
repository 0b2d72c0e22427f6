/* Every function that takes a pointer gets NULL: nothing crashes, results say that it failed, freeing does nothing. */
#include "check.h"
#include "dataset.h"
#include "model_io_v2.h"
#include "sampling.h"
#include "text_utils.h"
#include "transformer_v2.h"

#define FAILS(call) CHECK((call) == -1)
#define NONE(call) CHECK(!(call))

static void tensors_and_variables(VariableV2 *v) {
  NONE(tensor_create_persistent(NULL, 1));
  NONE(tensor_zeros_persistent(NULL, 1));
  NONE(tensor_create_temp(NULL, 1));
  NONE(tensor_zeros_temp(NULL, 1));
  NONE(tensor_randn_persistent(NULL, 1, 1));
  NONE(tensor_clone_temp(NULL));
  tensor_free_persistent(NULL);
  tensor_init_xavier(NULL);
  NONE(tensor_add(NULL, v->data));
  NONE(tensor_add(v->data, NULL));
  NONE(tensor_subtract(NULL, NULL));
  NONE(tensor_multiply(v->data, NULL));
  NONE(tensor_matmul(NULL, v->data));
  NONE(tensor_transpose(NULL));
  NONE(tensor_relu(NULL));
  NONE(tensor_softmax(NULL));
  CHECK(isnan(tensor_sum(NULL)));
  NONE(var_create_persistent(NULL, true));
  NONE(var_create_parameter(NULL));
  NONE(var_create_temp(NULL, true));
  var_zero_grad(NULL);
  var_free_persistent(NULL);
}

static void tapes(VariableV2 *v) {
  tape_destroy(NULL);
  tape_reset(NULL);
  FAILS(tape_add_op(g_tape, NULL, 1, v, NULL, NULL));
  FAILS(tape_add_op(g_tape, &v, 1, NULL, NULL, NULL));
  FAILS(tape_add_op(NULL, &v, 1, v, NULL, NULL));
  FAILS(tape_backward(NULL));
  FAILS(autograd_backward(NULL));
  FAILS(tape_record_layer_norm(NULL, v, v, v, 0, 1));
  FAILS(tape_record_layer_norm(v, NULL, NULL, NULL, 0, 1));
  FAILS(tape_record_layer_norm_v2(v, v, NULL, NULL, NULL, NULL, 1));
  FAILS(tape_record_cross_entropy(NULL, v, NULL, 2));
  FAILS(tape_record_cross_entropy(v, NULL, NULL, 2));
  FAILS(tape_record_cross_entropy(v, v, NULL, 2));
}

static void operations(VariableV2 *v) {
  static VariableV2 *(*const binary[])(VariableV2 *, VariableV2 *) = {
      ag_add, var_add, ag_subtract, ag_multiply, ag_divide, ag_matmul, ag_power, ag_cross_entropy_loss,
      ag_squared_error, ag_binary_cross_entropy, ag_less, ag_less_equal, ag_greater, ag_greater_equal, ag_equal,
      ag_not_equal};
  for (size_t i = 0; i < sizeof binary / sizeof *binary; i++) {
    NONE(binary[i](NULL, v));
    NONE(binary[i](v, NULL));
    NONE(binary[i](NULL, NULL));
  }
  static VariableV2 *(*const unary[])(VariableV2 *) = {
      ag_relu, var_relu, ag_softmax, var_softmax_2d, ag_log_softmax, ag_transpose, ag_gelu, ag_gelu_exact, ag_silu,
      ag_tanh, ag_sigmoid, ag_exp, ag_log, ag_sqrt, ag_neg, ag_abs, ag_sum, ag_mean, ag_max, ag_min};
  for (size_t i = 0; i < sizeof unary / sizeof *unary; i++) NONE(unary[i](NULL));
  NONE(compute_cross_entropy_loss(NULL, NULL, 2));
  NONE(compute_cross_entropy_loss(v, NULL, 2));
  NONE(ag_cross_entropy_ignoring(NULL, NULL, 2, 0));
  NONE(ag_cross_entropy_ignoring(v, NULL, 2, 0));
  NONE(ag_linear_cross_entropy(NULL, v, NULL, 2));
  NONE(ag_linear_cross_entropy(v, NULL, NULL, 2));
  NONE(ag_linear_cross_entropy(v, v, NULL, 2));
  NONE(ag_linear_cross_entropy_ignoring(NULL, NULL, NULL, 2, 0));
  NONE(var_reshape(NULL, NULL, 1));
  NONE(var_reshape(v, NULL, 1));
  NONE(ag_matmul_transposed(NULL, v, true, false));
  NONE(ag_matmul_transposed(v, NULL, true, false));
  NONE(ag_pow(NULL, 2));
  NONE(ag_scale(NULL, 2));
  NONE(ag_clip(NULL, 0, 1));
  NONE(ag_sum_axis(NULL, 0, true));
  NONE(ag_mean_axis(NULL, 0, true));
  NONE(ag_max_axis(NULL, 0, true));
  NONE(ag_min_axis(NULL, 0, true));
  NONE(ag_log_sum_exp(NULL, true));
  NONE(ag_variance(NULL, 0));
  NONE(ag_variance_axis(NULL, 0, true, 0));
  NONE(ag_permute(NULL, NULL, 2));
  NONE(ag_permute(v, NULL, 2));
  NONE(ag_where(NULL, v, v));
  NONE(ag_where(v, NULL, v));
  NONE(ag_where(v, v, NULL));
  NONE(ag_gather(NULL, NULL, NULL, 2, 0));
  NONE(ag_gather(v, NULL, (const int[]){2, 2}, 2, 0));
  NONE(ag_gather(v, (const int[]){0, 1}, NULL, 1, 0));
  NONE(ag_slice(NULL, 0, 0, 1));
  NONE(ag_concat(NULL, 2, 0));
  NONE(ag_concat((VariableV2 *[]){v, NULL}, 2, 0));
  NONE(ag_stack(NULL, 2, 0));
  NONE(ag_stack((VariableV2 *[]){v, NULL}, 2, 0));
  NONE(ag_layer_norm(NULL, v, v, 1e-5));
  NONE(ag_attention(NULL, v, v, 1));
  NONE(ag_attention(v, v, NULL, 1));
  NONE(ag_attention_dropout(NULL, v, v, 1, 0.5));
  NONE(ag_attention_dropout(v, v, NULL, 1, 0.5));
  NONE(ag_embedding(NULL, NULL, 1));
  NONE(ag_embedding(v, NULL, 1));
  NONE(ag_dropout(NULL, 0.5));
  NONE(ag_recompute(v, NULL, NULL));
}

static void layers(VariableV2 *v) {
  NONE(linear_forward(NULL, v));
  Linear *linear = linear_create(2, 2);
  NONE(linear_forward(linear, NULL));
  linear_free(linear);
  NONE(linear_forward(&(Linear){NULL, NULL}, v));
  NONE(embedding_forward(NULL, NULL, 1));
  NONE(embedding_forward(&(Embedding){NULL, 2, 2}, (const int[]){0}, 1));
  NONE(layernorm_forward(NULL, v));
  NONE(layer_norm_forward(NULL, v));
  NONE(mha_forward(NULL, v));
  NONE(mha_forward(&(MultiHeadAttention){0}, v));
  NONE(ff_forward(NULL, v));
  NONE(ff_forward(&(FeedForward){0}, v));
  NONE(block_forward(NULL, v));
  NONE(block_forward(&(TransformerBlock){0}, v));
  NONE(transformer_forward(NULL, NULL, 1));
  NONE(transformer_forward_batch(NULL, NULL, 1, 1));
  VariableV2 **params;
  int count;
  FAILS(transformer_get_params(NULL, &params, &count));
  CHECK(!params && count == 0);
  FAILS(transformer_get_params(NULL, NULL, NULL));
  linear_free(NULL);
  embedding_free(NULL);
  layernorm_free(NULL);
  layer_norm_free(NULL);
  mha_free(NULL);
  ff_free(NULL);
  block_free(NULL);
  transformer_free(NULL);
}

static void optimisers(void) {
  NONE(optimizer_create(NULL, 1, 0.1));
  NONE(optimizer_create((VariableV2 *[]){NULL}, 1, 0.1));
  optimizer_zero_grad(NULL);
  FAILS(optimizer_step(NULL));
  optimizer_destroy(NULL);
  AdamOptimizerV2 *adam = adam_create(0.1);
  FAILS(adam_add_param(NULL, NULL));
  FAILS(adam_add_param(adam, NULL));
  FAILS(adam_step(NULL));
  adam_free(adam);
  adam_free(NULL);
}

static void settings(void) {
  autograd_set_error_handler(NULL, NULL);
  quiet();
  autograd_context_destroy(NULL);
  CHECK(autograd_context_use(NULL) == 0);
  CHECK(autograd_explain_gradients(NULL, 1));
  FAILS(autograd_check_gradients(NULL, NULL, NULL, 0, 1e-6));
  autograd_memory_report(NULL);
  arena_destroy(NULL);
  arena_reset(NULL);
  arena_reset_aggressive(NULL);
  NONE(arena_alloc(NULL, 8));
  NONE(arena_calloc(NULL, 1, 8));
  CHECK(arena_get_used(NULL) == 0 && arena_get_allocated(NULL) == 0);
}

static void text(void) {
  Vocabulary *vocab = vocab_create_from_text("ab", 2);
  size_t length = 1;
  NONE(vocab_create_from_text(NULL, 2));
  vocab_free(NULL);
  FAILS(vocab_char_to_idx(NULL, 'a'));
  CHECK(vocab_idx_to_char(NULL, 0) == 0);
  vocab_print(NULL);
  NONE(tokenize(NULL, "a", 1, &length));
  NONE(tokenize(vocab, NULL, 1, NULL));
  NONE(detokenize(NULL, NULL, 1));
  NONE(detokenize(vocab, NULL, 1));
  NONE(dataset_load_file(NULL));
  dataset_free(NULL);
  dataset_print_stats(NULL);
  NONE(batch_create_random(NULL, 1, 1));
  batch_free(NULL);
  FAILS(char_to_token('a', NULL));
  CHECK(token_to_char(0, NULL) == 0);
  NONE(create_char_tokenizer(NULL));
  free_tokenizer(NULL);
  NONE(load_text_file(NULL, NULL));
  free_dataset(NULL);
  FAILS(get_batch(NULL, 1, 1, NULL, NULL));
  FAILS(save_tokenizer(NULL, NULL));
  NONE(load_tokenizer(NULL));
  FAILS(sample_from_logits(NULL, 1, 1));
  FAILS(sample_from_probs(NULL, 1));
  NONE(generate_text(NULL, vocab, "a", 1, 1));
  FAILS(generate_and_print(NULL, vocab, "a", 1, 1));
  vocab_free(vocab);
}

static void files(void) {
  TransformerV2 *model = transformer_create(2, 4, 1, 1, 4, 4);
  FAILS(transformer_save(NULL, "x"));
  FAILS(transformer_save(model, NULL));
  FAILS(transformer_load(NULL, "x"));
  FAILS(transformer_load(model, NULL));
  FAILS(checkpoint_save(NULL, NULL, 0, 0, "x"));
  FAILS(checkpoint_save(model, NULL, 0, 0, NULL));
  FAILS(checkpoint_load(NULL, NULL, NULL, NULL, NULL));
  NONE(generate_text(model, NULL, NULL, 1, 1));
  NONE(transformer_forward(model, NULL, 1));
  NONE(transformer_forward_batch(model, NULL, 1, 1));
  transformer_free(model);
}

int main(void) {
  quiet();
  VariableV2 *v = parameter((const int[]){2, 2}, 2);
  autograd_reset_iteration();
  tensors_and_variables(v);
  tapes(v);
  operations(v);
  layers(v);
  optimisers();
  settings();
  text();
  files();
  CHECK(reported_errors > 0);
  autograd_reset_iteration();
  CHECK(ag_matmul(v, v));
  var_free_persistent(v);
  autograd_v2_cleanup();
  return 0;
}
