/* Made by Scripts/make_forwarders.py: do not edit. */
#ifndef AUTOGRAD_V2_IMPL_H
#define AUTOGRAD_V2_IMPL_H

#include "arena.h"
#include "autograd_v2.h"
#include "transformer_v2.h"
#include "text_utils.h"
#include "sampling.h"
#include "dataset.h"
#include "model_io_v2.h"
#include "autograd_v2_state.h"

#define AUTOGRAD_WEAK __attribute__((weak, visibility("default")))

/* arena.h */
Arena *autograd_v2_impl_arena_create(size_t initial_size);
void autograd_v2_impl_arena_destroy(Arena *arena);
void *autograd_v2_impl_arena_alloc(Arena *arena, size_t size);
void *autograd_v2_impl_arena_calloc(Arena *arena, size_t count, size_t size);
void autograd_v2_impl_arena_reset(Arena *arena);
void autograd_v2_impl_arena_reset_aggressive(Arena *arena);
size_t autograd_v2_impl_arena_get_used(const Arena *arena);
size_t autograd_v2_impl_arena_get_allocated(const Arena *arena);
void autograd_v2_impl_arena_init_global(void);
void autograd_v2_impl_arena_cleanup_global(void);

/* autograd_v2.h */
int autograd_v2_impl_autograd_v2_init(void);
void autograd_v2_impl_autograd_v2_cleanup(void);
int autograd_v2_impl_autograd_reset_iteration(void);
TensorV2 *autograd_v2_impl_tensor_create_persistent(const int *shape, int rank);
TensorV2 *autograd_v2_impl_tensor_create_temp(const int *shape, int rank);
TensorV2 *autograd_v2_impl_tensor_zeros_persistent(const int *shape, int rank);
TensorV2 *autograd_v2_impl_tensor_zeros_temp(const int *shape, int rank);
TensorV2 *autograd_v2_impl_tensor_randn_persistent(const int *shape, int rank, double scale);
TensorV2 *autograd_v2_impl_tensor_clone_temp(const TensorV2 *tensor);
void autograd_v2_impl_tensor_free_persistent(TensorV2 *tensor);
void autograd_v2_impl_tensor_init_xavier(TensorV2 *tensor);
TensorV2 *autograd_v2_impl_tensor_add(TensorV2 *a, TensorV2 *b);
TensorV2 *autograd_v2_impl_tensor_subtract(TensorV2 *a, TensorV2 *b);
TensorV2 *autograd_v2_impl_tensor_multiply(TensorV2 *a, TensorV2 *b);
TensorV2 *autograd_v2_impl_tensor_matmul(TensorV2 *a, TensorV2 *b);
TensorV2 *autograd_v2_impl_tensor_transpose(TensorV2 *x);
TensorV2 *autograd_v2_impl_tensor_relu(TensorV2 *x);
TensorV2 *autograd_v2_impl_tensor_softmax(TensorV2 *x);
double autograd_v2_impl_tensor_sum(const TensorV2 *tensor);
VariableV2 *autograd_v2_impl_var_create_persistent(TensorV2 *tensor, bool requires_grad);
VariableV2 *autograd_v2_impl_var_create_parameter(TensorV2 *tensor);
VariableV2 *autograd_v2_impl_var_create_temp(TensorV2 *tensor, bool requires_grad);
void autograd_v2_impl_var_zero_grad(VariableV2 *variable);
void autograd_v2_impl_var_free_persistent(VariableV2 *variable);
TapeV2 *autograd_v2_impl_tape_create(void);
void autograd_v2_impl_tape_destroy(TapeV2 *tape);
void autograd_v2_impl_tape_reset(TapeV2 *tape);
int autograd_v2_impl_tape_add_op(TapeV2 *tape, VariableV2 **inputs, int num_inputs, VariableV2 *output, BackwardFunc backward, void *ctx);
int autograd_v2_impl_tape_backward(TapeV2 *tape);
int autograd_v2_impl_autograd_backward(VariableV2 *loss);
int autograd_v2_impl_tape_record_layer_norm(VariableV2 *out, VariableV2 *in, VariableV2 *gamma, VariableV2 *beta, double mean, double var);
int autograd_v2_impl_tape_record_layer_norm_v2(VariableV2 *out, VariableV2 *in, VariableV2 *gamma, VariableV2 *beta, const double *means, const double *vars, int n);
int autograd_v2_impl_tape_record_cross_entropy(VariableV2 *loss, VariableV2 *logits, const int *targets, int seq_len);
VariableV2 *autograd_v2_impl_ag_add(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_subtract(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_multiply(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_divide(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_matmul(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_matmul_transposed(VariableV2 *a, VariableV2 *b, bool transpose_a, bool transpose_b);
VariableV2 *autograd_v2_impl_ag_relu(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_softmax(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_transpose(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_permute(VariableV2 *x, const int *order, int rank);
VariableV2 *autograd_v2_impl_ag_cross_entropy_loss(VariableV2 *logits, VariableV2 *targets);
VariableV2 *autograd_v2_impl_compute_cross_entropy_loss(VariableV2 *logits, const int *targets, int seq_len);
VariableV2 *autograd_v2_impl_ag_cross_entropy_ignoring(VariableV2 *logits, const int *targets, int count, int ignored);
VariableV2 *autograd_v2_impl_ag_linear_cross_entropy(VariableV2 *x, VariableV2 *weight, const int *targets, int count);
VariableV2 *autograd_v2_impl_ag_linear_cross_entropy_ignoring(VariableV2 *x, VariableV2 *weight, const int *targets, int count, int ignored);
VariableV2 *autograd_v2_impl_ag_squared_error(VariableV2 *predictions, VariableV2 *targets);
VariableV2 *autograd_v2_impl_ag_binary_cross_entropy(VariableV2 *logits, VariableV2 *targets);
VariableV2 *autograd_v2_impl_var_add(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_var_reshape(VariableV2 *x, const int *shape, int rank);
VariableV2 *autograd_v2_impl_var_relu(VariableV2 *x);
VariableV2 *autograd_v2_impl_var_softmax_2d(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_gelu(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_gelu_exact(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_silu(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_tanh(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_sigmoid(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_exp(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_log(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_sqrt(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_pow(VariableV2 *x, double exponent);
VariableV2 *autograd_v2_impl_ag_power(VariableV2 *base, VariableV2 *exponent);
VariableV2 *autograd_v2_impl_ag_neg(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_abs(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_clip(VariableV2 *x, double low, double high);
VariableV2 *autograd_v2_impl_ag_log_softmax(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_log_sum_exp(VariableV2 *x, bool keep);
VariableV2 *autograd_v2_impl_ag_scale(VariableV2 *x, double factor);
VariableV2 *autograd_v2_impl_ag_sum(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_mean(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_max(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_min(VariableV2 *x);
VariableV2 *autograd_v2_impl_ag_sum_axis(VariableV2 *x, int axis, bool keep);
VariableV2 *autograd_v2_impl_ag_mean_axis(VariableV2 *x, int axis, bool keep);
VariableV2 *autograd_v2_impl_ag_max_axis(VariableV2 *x, int axis, bool keep);
VariableV2 *autograd_v2_impl_ag_min_axis(VariableV2 *x, int axis, bool keep);
VariableV2 *autograd_v2_impl_ag_variance(VariableV2 *x, double correction);
VariableV2 *autograd_v2_impl_ag_variance_axis(VariableV2 *x, int axis, bool keep, double correction);
VariableV2 *autograd_v2_impl_ag_slice(VariableV2 *x, int axis, int start, int length);
VariableV2 *autograd_v2_impl_ag_concat(VariableV2 **parts, int count, int axis);
VariableV2 *autograd_v2_impl_ag_stack(VariableV2 **parts, int count, int axis);
VariableV2 *autograd_v2_impl_ag_less(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_less_equal(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_greater(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_greater_equal(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_equal(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_not_equal(VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_where(VariableV2 *mask, VariableV2 *a, VariableV2 *b);
VariableV2 *autograd_v2_impl_ag_gather(VariableV2 *x, const int *tokens, const int *shape, int rank, int axis);
VariableV2 *autograd_v2_impl_ag_layer_norm(VariableV2 *x, VariableV2 *gamma, VariableV2 *beta, double eps);
VariableV2 *autograd_v2_impl_ag_attention(VariableV2 *q, VariableV2 *k, VariableV2 *v, int n_heads);
VariableV2 *autograd_v2_impl_ag_attention_dropout(VariableV2 *q, VariableV2 *k, VariableV2 *v, int n_heads, double rate);
VariableV2 *autograd_v2_impl_ag_embedding(VariableV2 *table, const int *tokens, int count);
VariableV2 *autograd_v2_impl_ag_dropout(VariableV2 *x, double rate);
VariableV2 *autograd_v2_impl_ag_recompute(VariableV2 *x, VariableV2 *(*part)(VariableV2 *x, void *user), void *user);
Linear *autograd_v2_impl_linear_create(int in_features, int out_features);
VariableV2 *autograd_v2_impl_linear_forward(Linear *layer, VariableV2 *x);
void autograd_v2_impl_linear_free(Linear *layer);
Embedding *autograd_v2_impl_embedding_create(int vocab_size, int embed_dim);
VariableV2 *autograd_v2_impl_embedding_forward(Embedding *layer, const int *tokens, int count);
void autograd_v2_impl_embedding_free(Embedding *layer);
LayerNorm *autograd_v2_impl_layernorm_create(int dim);
VariableV2 *autograd_v2_impl_layernorm_forward(LayerNorm *layer, VariableV2 *x);
void autograd_v2_impl_layernorm_free(LayerNorm *layer);
OptimizerV2 *autograd_v2_impl_optimizer_create(VariableV2 **parameters, int num_params, double lr);
void autograd_v2_impl_optimizer_zero_grad(OptimizerV2 *optimizer);
int autograd_v2_impl_optimizer_step(OptimizerV2 *optimizer);
void autograd_v2_impl_optimizer_destroy(OptimizerV2 *optimizer);
AdamOptimizerV2 *autograd_v2_impl_adam_create(double learning_rate);
int autograd_v2_impl_adam_add_param(AdamOptimizerV2 *optimizer, VariableV2 *parameter);
int autograd_v2_impl_adam_step(AdamOptimizerV2 *optimizer);
void autograd_v2_impl_adam_free(AdamOptimizerV2 *optimizer);
const char *autograd_v2_impl_autograd_last_error(void);
void autograd_v2_impl_autograd_clear_error(void);
void autograd_v2_impl_autograd_set_error_handler(AutogradErrorHandler handler, void *user);
AutogradContext *autograd_v2_impl_autograd_context_create(void);
int autograd_v2_impl_autograd_context_use(AutogradContext *context);
void autograd_v2_impl_autograd_context_destroy(AutogradContext *context);
void autograd_v2_impl_autograd_accumulate_gradients(bool accumulate);
bool autograd_v2_impl_autograd_set_recording(bool recording);
void autograd_v2_impl_autograd_set_seed(uint64_t seed);
int autograd_v2_impl_autograd_set_threads(int threads);
int autograd_v2_impl_autograd_set_memory_limit(size_t bytes);
void autograd_v2_impl_autograd_set_anomaly_mode(bool on);
const char *autograd_v2_impl_autograd_version(void);
const char *autograd_v2_impl_autograd_explain_gradients(VariableV2 **parameters, int count);
int autograd_v2_impl_autograd_check_gradients(VariableV2 *(*forward)(void *user), void *user, VariableV2 **parameters, int count, double tolerance);
void autograd_v2_impl_autograd_memory_report(FILE *stream);

/* transformer_v2.h */
LayerNormV2 *autograd_v2_impl_layer_norm_create(int size);
VariableV2 *autograd_v2_impl_layer_norm_forward(LayerNormV2 *layer, VariableV2 *x);
void autograd_v2_impl_layer_norm_free(LayerNormV2 *layer);
MultiHeadAttention *autograd_v2_impl_mha_create(int d_model, int n_heads);
VariableV2 *autograd_v2_impl_mha_forward(MultiHeadAttention *layer, VariableV2 *x);
void autograd_v2_impl_mha_free(MultiHeadAttention *layer);
FeedForward *autograd_v2_impl_ff_create(int d_model, int d_ff);
VariableV2 *autograd_v2_impl_ff_forward(FeedForward *layer, VariableV2 *x);
void autograd_v2_impl_ff_free(FeedForward *layer);
TransformerBlock *autograd_v2_impl_block_create(int d_model, int n_heads, int d_ff);
VariableV2 *autograd_v2_impl_block_forward(TransformerBlock *block, VariableV2 *x);
void autograd_v2_impl_block_free(TransformerBlock *block);
TransformerV2 *autograd_v2_impl_transformer_create(int vocab_size, int d_model, int n_heads, int n_layers, int d_ff, int max_seq_len);
void autograd_v2_impl_transformer_free(TransformerV2 *model);
VariableV2 *autograd_v2_impl_transformer_forward(TransformerV2 *model, const int *tokens, int seq_len);
VariableV2 *autograd_v2_impl_transformer_forward_batch(TransformerV2 *model, const int *tokens, int batch, int seq_len);
int autograd_v2_impl_transformer_get_params(TransformerV2 *model, VariableV2 ***params, int *count);

/* text_utils.h */
Vocabulary *autograd_v2_impl_vocab_create_from_text(const char *text, size_t length);
void autograd_v2_impl_vocab_free(Vocabulary *vocab);
int autograd_v2_impl_vocab_char_to_idx(const Vocabulary *vocab, char character);
char autograd_v2_impl_vocab_idx_to_char(const Vocabulary *vocab, int token);
void autograd_v2_impl_vocab_print(const Vocabulary *vocab);
int *autograd_v2_impl_tokenize(const Vocabulary *vocab, const char *text, size_t length, size_t *out_length);
char *autograd_v2_impl_detokenize(const Vocabulary *vocab, const int *tokens, size_t count);
TextDataset *autograd_v2_impl_dataset_load_file(const char *path);
void autograd_v2_impl_dataset_free(TextDataset *dataset);
void autograd_v2_impl_dataset_print_stats(const TextDataset *dataset);
Batch *autograd_v2_impl_batch_create_random(const TextDataset *dataset, int batch_size, int block_size);
void autograd_v2_impl_batch_free(Batch *batch);

/* sampling.h */
int autograd_v2_impl_sample_from_logits(const double *logits, int vocab_size, double temperature);
int autograd_v2_impl_sample_from_probs(const double *probs, int size);
char *autograd_v2_impl_generate_text(TransformerModel *model, Vocabulary *vocab, const char *prompt, int max_new_tokens, double temperature);
int autograd_v2_impl_generate_and_print(TransformerModel *model, Vocabulary *vocab, const char *prompt, int max_new_tokens, double temperature);

/* dataset.h */
int autograd_v2_impl_char_to_token(char character, const CharTokenizer *tokenizer);
char autograd_v2_impl_token_to_char(int token, const CharTokenizer *tokenizer);
CharTokenizer *autograd_v2_impl_create_char_tokenizer(const char *text);
void autograd_v2_impl_free_tokenizer(CharTokenizer *tokenizer);
Dataset *autograd_v2_impl_load_text_file(const char *path, CharTokenizer **tokenizer);
Dataset *autograd_v2_impl_load_shakespeare(CharTokenizer **tokenizer);
void autograd_v2_impl_free_dataset(Dataset *dataset);
int autograd_v2_impl_get_batch(const Dataset *dataset, int batch_size, int block_size, int *inputs, int *targets);
int autograd_v2_impl_save_tokenizer(const CharTokenizer *tokenizer, const char *path);
CharTokenizer *autograd_v2_impl_load_tokenizer(const char *path);

/* model_io_v2.h */
int autograd_v2_impl_transformer_save(TransformerV2 *model, const char *path);
int autograd_v2_impl_transformer_load(TransformerV2 *model, const char *path);
int autograd_v2_impl_checkpoint_save(TransformerV2 *model, AdamOptimizerV2 *adam, int iteration, double loss, const char *path);
int autograd_v2_impl_checkpoint_load(TransformerV2 **model, AdamOptimizerV2 **adam, int *iteration, double *loss, const char *path);

#endif
