/* Automatic differentiation on a tape; temporaries live in an arena that is emptied after every iteration.
 *
 * Rules
 * - Ownership: what a function with `persistent` or `create` in its name returns belongs to the caller, who frees
 *   it with the function of the same family. Everything else is temporary: autograd_reset_iteration() ends it.
 *   A variable takes over the tensor it is made from.
 * - Gradients: `v->grad` of every variable that requires one exists from the variable's creation, zeroed. Seed what
 *   you like (`loss->grad->data[0] = 1.0`), then call tape_backward(g_tape); every contribution adds. A reset makes
 *   the gradients of persistent variables stale: they stay readable, and the next backward starts them from zero.
 * - Errors: a failing call returns NULL or -1, keeps its sentence for autograd_last_error() and hands it to the error
 *   handler, which prints one line to stderr unless you set another. NULL variables and tensors pass the failure of the
 *   iteration on silently, until autograd_clear_error().
 * - Freeing twice, or using what was freed, is an error while at most 4096 other structs were freed in between.
 * - A temporary used after its iteration is an error, found at the call it is given to.
 * - Threads: a context belongs to one thread at a time; every thread gets its own at its first call. Each begins with a
 *   seed of its own, 1337 in the first: call autograd_set_seed in each thread for runs that repeat.
 * - Functions of yours that the library calls may be left by an exception or longjmp: the iteration ends, at once or at
 *   the next call, its temporaries are stale and its gradients incomplete, and the context goes on.
 * - Shapes are row-major; at most 8 axes; every number is a double. Linear weights are [output, input].
 *
 * docs/c-api.md tells of each function: shapes, ownership, errors. */
#ifndef AUTOGRAD_V2_H
#define AUTOGRAD_V2_H

#include <stdio.h>
#include <stdlib.h> /* free, for what comes from malloc */

#include "arena.h"
#include "autograd_v2_base.h"

#define AUTOGRAD_V2_VERSION "0.1.0"

AUTOGRAD_BEGIN

/* Types. Members are live: programs read and write them. What is called `private_` is the library's. */

typedef enum TensorStorage { TENSOR_PERSISTENT, TENSOR_TEMPORARY } TensorStorage;

struct TensorV2 {
  double *data;
  int *shape;
  int rank;
  int size;
  TensorStorage storage;
  uint32_t private_kind;
  uint64_t private_step;
  uint32_t private_context;
  int32_t private_owned;
  void *private_block;
  int private_lengths[8];
};

struct VariableV2 {
  TensorV2 *data;
  TensorV2 *grad;
  bool requires_grad;
  bool is_parameter;
  uint32_t private_kind;
  uint64_t private_step;
  uint32_t private_context;
  int32_t private_slot;
  void *private_parameter;
};

/* The backward of a custom operation: adds to the gradients of the inputs, which it knows through `ctx`. */
typedef void (*BackwardFunc)(void *ctx, TensorV2 *grad_output);

/* One operation as it was called. `backward` and `ctx` are NULL for those of the library. */
typedef struct TapeOp {
  VariableV2 **inputs;
  int num_inputs;
  VariableV2 *output;
  BackwardFunc backward;
  void *ctx;
} TapeOp;

struct TapeV2 {
  TapeOp *ops;
  int count;
  int capacity;
  uint32_t private_kind;
  uint32_t private_context;
  int32_t private_tag;
};

/* weight [out, in], bias [out] */
typedef struct Linear { VariableV2 *weight; VariableV2 *bias; } Linear;
/* embeddings [vocab_size, embed_dim] */
typedef struct Embedding { VariableV2 *embeddings; int vocab_size; int embed_dim; } Embedding;
/* gamma, beta [dim] */
typedef struct LayerNorm { VariableV2 *gamma; VariableV2 *beta; double eps; } LayerNorm;

typedef struct OptimizerV2 { VariableV2 **parameters; int num_params; double lr; } OptimizerV2;

typedef struct AdamOptimizerV2 {
  VariableV2 **params;
  int n_params;
  double learning_rate;
  double beta1, beta2, epsilon;
  int step_count;
  int private_capacity;
  void *private_moments;
} AdamOptimizerV2;

/* The tape of the calling thread's context; NULL before the thread's first call. */
AUTOGRAD_THREAD TapeV2 *g_tape;

/* Life cycle */

/* Opens the calling thread's context. A second call changes nothing; any other call opens it too. */
AUTOGRAD_API int autograd_v2_init(void);
/* Closes the context that the calling thread uses: its temporaries, arena and tape are gone. Persistent ones stay. One
 * from autograd_context_create is destroyed nevertheless, to give its handle back. */
AUTOGRAD_API void autograd_v2_cleanup(void);
/* Ends the iteration: voids every temporary in O(1), clears the tape, makes parameters' gradients stale. */
AUTOGRAD_API int autograd_reset_iteration(void);

/* Tensors: plain numbers, without gradient or tape */

AUTOGRAD_API TensorV2 *tensor_create_persistent(const int *shape, int rank);
AUTOGRAD_API TensorV2 *tensor_create_temp(const int *shape, int rank);
AUTOGRAD_API TensorV2 *tensor_zeros_persistent(const int *shape, int rank);
AUTOGRAD_API TensorV2 *tensor_zeros_temp(const int *shape, int rank);
AUTOGRAD_API TensorV2 *tensor_randn_persistent(const int *shape, int rank, double scale);
AUTOGRAD_API TensorV2 *tensor_clone_temp(const TensorV2 *tensor);
/* Does nothing for a temporary: the arena sees to it. Fails where a variable owns the tensor. */
AUTOGRAD_API void tensor_free_persistent(TensorV2 *tensor);
AUTOGRAD_API void tensor_init_xavier(TensorV2 *tensor);
AUTOGRAD_API TensorV2 *tensor_add(TensorV2 *a, TensorV2 *b);
AUTOGRAD_API TensorV2 *tensor_subtract(TensorV2 *a, TensorV2 *b);
AUTOGRAD_API TensorV2 *tensor_multiply(TensorV2 *a, TensorV2 *b);
AUTOGRAD_API TensorV2 *tensor_matmul(TensorV2 *a, TensorV2 *b);
AUTOGRAD_API TensorV2 *tensor_transpose(TensorV2 *x);
AUTOGRAD_API TensorV2 *tensor_relu(TensorV2 *x);
AUTOGRAD_API TensorV2 *tensor_softmax(TensorV2 *x);
AUTOGRAD_API double tensor_sum(const TensorV2 *tensor);

/* Variables: tensors with a gradient */

AUTOGRAD_API VariableV2 *var_create_persistent(TensorV2 *tensor, bool requires_grad);
AUTOGRAD_API VariableV2 *var_create_parameter(TensorV2 *tensor);
AUTOGRAD_API VariableV2 *var_create_temp(TensorV2 *tensor, bool requires_grad);
AUTOGRAD_API void var_zero_grad(VariableV2 *variable);
/* Does nothing for a temporary. */
AUTOGRAD_API void var_free_persistent(VariableV2 *variable);

/* Tape */

AUTOGRAD_API TapeV2 *tape_create(void);
AUTOGRAD_API void tape_destroy(TapeV2 *tape);
AUTOGRAD_API void tape_reset(TapeV2 *tape);
AUTOGRAD_API int tape_add_op(
    TapeV2 *tape, VariableV2 **inputs, int num_inputs, VariableV2 *output, BackwardFunc backward, void *ctx);
/* Walks the records from the newest back, from whatever gradients were seeded, and consumes what it walked. */
AUTOGRAD_API int tape_backward(TapeV2 *tape);
/* Seeds `loss`, a single number, with 1 and walks. */
AUTOGRAD_API int autograd_backward(VariableV2 *loss);
AUTOGRAD_API int tape_record_layer_norm(
    VariableV2 *out, VariableV2 *in, VariableV2 *gamma, VariableV2 *beta, double mean, double var);
AUTOGRAD_API int tape_record_layer_norm_v2(
    VariableV2 *out, VariableV2 *in, VariableV2 *gamma, VariableV2 *beta, const double *means, const double *vars,
    int n);
AUTOGRAD_API int tape_record_cross_entropy(VariableV2 *loss, VariableV2 *logits, const int *targets, int seq_len);

/* Operations. Element-wise ones broadcast as NumPy does. */

AUTOGRAD_API VariableV2 *ag_add(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *ag_subtract(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *ag_multiply(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *ag_divide(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *ag_matmul(VariableV2 *a, VariableV2 *b);
/* The same with the last two axes of a, of b or of both exchanged, without a copy as ag_transpose makes it. */
AUTOGRAD_API VariableV2 *ag_matmul_transposed(VariableV2 *a, VariableV2 *b, bool transpose_a, bool transpose_b);
AUTOGRAD_API VariableV2 *ag_relu(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_softmax(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_transpose(VariableV2 *x);
/* Axis i of the result is axis order[i] of x; negative ones count from the back. Fails unless each is named once. */
AUTOGRAD_API VariableV2 *ag_permute(VariableV2 *x, const int *order, int rank);
AUTOGRAD_API VariableV2 *ag_cross_entropy_loss(VariableV2 *logits, VariableV2 *targets);
AUTOGRAD_API VariableV2 *compute_cross_entropy_loss(VariableV2 *logits, const int *targets, int seq_len);
/* The same, but rows whose target is `ignored` count neither in the sum nor in the mean: NaN where no other is left. */
AUTOGRAD_API VariableV2 *ag_cross_entropy_ignoring(VariableV2 *logits, const int *targets, int count, int ignored);
/* The same of logits x W^T that never exist: x [..., C], weight [V, C]. Takes memory for 256 rows of logits (or 2^18
 * logits, where those are more rows), and computes them twice, in forward and in backward. */
AUTOGRAD_API VariableV2 *ag_linear_cross_entropy(VariableV2 *x, VariableV2 *weight, const int *targets, int count);
AUTOGRAD_API VariableV2 *ag_linear_cross_entropy_ignoring(
    VariableV2 *x, VariableV2 *weight, const int *targets, int count, int ignored);
/* Means over all elements of two equal shapes [...] -> []: they do not broadcast, other shapes fail. The first is
 * (prediction - target)^2; the second takes logits, not probabilities, against targets in 0...1, in nats. */
AUTOGRAD_API VariableV2 *ag_squared_error(VariableV2 *predictions, VariableV2 *targets);
AUTOGRAD_API VariableV2 *ag_binary_cross_entropy(VariableV2 *logits, VariableV2 *targets);
AUTOGRAD_API VariableV2 *var_add(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *var_reshape(VariableV2 *x, const int *shape, int rank);
AUTOGRAD_API VariableV2 *var_relu(VariableV2 *x);
AUTOGRAD_API VariableV2 *var_softmax_2d(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_gelu(VariableV2 *x);
/* GELU by its definition, x (1 + erf(x/sqrt(2))) / 2; ag_gelu is the tanh form. */
AUTOGRAD_API VariableV2 *ag_gelu_exact(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_silu(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_tanh(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_sigmoid(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_exp(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_log(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_sqrt(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_pow(VariableV2 *x, double exponent);
/* base^exponent, element by element, with gradients to both. Fails where the shapes do not broadcast. */
AUTOGRAD_API VariableV2 *ag_power(VariableV2 *base, VariableV2 *exponent);
AUTOGRAD_API VariableV2 *ag_neg(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_abs(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_clip(VariableV2 *x, double low, double high);
AUTOGRAD_API VariableV2 *ag_log_softmax(VariableV2 *x);
/* log of the sum of exponentials of each row, without overflow: [..., C] -> [...], or [..., 1] with `keep`. */
AUTOGRAD_API VariableV2 *ag_log_sum_exp(VariableV2 *x, bool keep);
AUTOGRAD_API VariableV2 *ag_scale(VariableV2 *x, double factor);
AUTOGRAD_API VariableV2 *ag_sum(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_mean(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_max(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_min(VariableV2 *x);
AUTOGRAD_API VariableV2 *ag_sum_axis(VariableV2 *x, int axis, bool keep);
AUTOGRAD_API VariableV2 *ag_mean_axis(VariableV2 *x, int axis, bool keep);
AUTOGRAD_API VariableV2 *ag_max_axis(VariableV2 *x, int axis, bool keep);
AUTOGRAD_API VariableV2 *ag_min_axis(VariableV2 *x, int axis, bool keep);
/* The sum of squared distances from the mean over n - correction: 0 as in norms, 1 for a sample's estimate. Of all
 * elements -> [], or along one axis, which vanishes or has length 1 with `keep`; fails where there is no such axis. */
AUTOGRAD_API VariableV2 *ag_variance(VariableV2 *x, double correction);
AUTOGRAD_API VariableV2 *ag_variance_axis(VariableV2 *x, int axis, bool keep, double correction);
AUTOGRAD_API VariableV2 *ag_slice(VariableV2 *x, int axis, int start, int length);
AUTOGRAD_API VariableV2 *ag_concat(VariableV2 **parts, int count, int axis);
/* Joined along a new axis: `count` parts [...] -> [..., count, ...]. Fails unless all shapes are equal. */
AUTOGRAD_API VariableV2 *ag_stack(VariableV2 **parts, int count, int axis);
/* 1 where it holds, else 0: constants, gradients end here. Shapes broadcast. With NaN only ag_not_equal holds. */
AUTOGRAD_API VariableV2 *ag_less(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *ag_less_equal(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *ag_greater(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *ag_greater_equal(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *ag_equal(VariableV2 *a, VariableV2 *b);
AUTOGRAD_API VariableV2 *ag_not_equal(VariableV2 *a, VariableV2 *b);
/* a where the mask is not 0, else b. All three broadcast; what is not taken gets no gradient, nor does the mask. */
AUTOGRAD_API VariableV2 *ag_where(VariableV2 *mask, VariableV2 *a, VariableV2 *b);
/* Picks elements along an axis by number, each 0...N - 1: x [..., N, ...] with tokens of `shape` [..., M, ...] ->
 * [..., M, ...]; or tokens without that axis, and so the result. Fails for other shapes and other numbers. */
AUTOGRAD_API VariableV2 *ag_gather(VariableV2 *x, const int *tokens, const int *shape, int rank, int axis);
AUTOGRAD_API VariableV2 *ag_layer_norm(VariableV2 *x, VariableV2 *gamma, VariableV2 *beta, double eps);
AUTOGRAD_API VariableV2 *ag_attention(VariableV2 *q, VariableV2 *k, VariableV2 *v, int n_heads);
/* The same; drops attention weights with probability `rate` in [0, 1) and scales the rest, where recording is on. */
AUTOGRAD_API VariableV2 *ag_attention_dropout(
    VariableV2 *q, VariableV2 *k, VariableV2 *v, int n_heads, double rate);
AUTOGRAD_API VariableV2 *ag_embedding(VariableV2 *table, const int *tokens, int count);
AUTOGRAD_API VariableV2 *ag_dropout(VariableV2 *x, double rate);
/* part(x, user), of which x and the result are kept: backward calls it again for what it computed in between. It must
 * compute the same both times, from the x that it is given, persistent variables, and what needs no gradient; `user`
 * lives until then. What it made ends with it, but the result. */
AUTOGRAD_API VariableV2 *ag_recompute(
    VariableV2 *x, VariableV2 *(*part)(VariableV2 *x, void *user), void *user);

/* Layers */

AUTOGRAD_API Linear *linear_create(int in_features, int out_features);
AUTOGRAD_API VariableV2 *linear_forward(Linear *layer, VariableV2 *x);
AUTOGRAD_API void linear_free(Linear *layer);
AUTOGRAD_API Embedding *embedding_create(int vocab_size, int embed_dim);
AUTOGRAD_API VariableV2 *embedding_forward(Embedding *layer, const int *tokens, int count);
AUTOGRAD_API void embedding_free(Embedding *layer);
AUTOGRAD_API LayerNorm *layernorm_create(int dim);
AUTOGRAD_API VariableV2 *layernorm_forward(LayerNorm *layer, VariableV2 *x);
AUTOGRAD_API void layernorm_free(LayerNorm *layer);

/* Optimisers. They do not own the parameters. A step is all or nothing; it fails for a learning rate, beta1, beta2 or
 * epsilon that would spoil the weights. */

AUTOGRAD_API OptimizerV2 *optimizer_create(VariableV2 **parameters, int num_params, double lr);
AUTOGRAD_API void optimizer_zero_grad(OptimizerV2 *optimizer);
AUTOGRAD_API int optimizer_step(OptimizerV2 *optimizer);
AUTOGRAD_API void optimizer_destroy(OptimizerV2 *optimizer);
AUTOGRAD_API AdamOptimizerV2 *adam_create(double learning_rate);
/* One that was added before stays there once. */
AUTOGRAD_API int adam_add_param(AdamOptimizerV2 *optimizer, VariableV2 *parameter);
AUTOGRAD_API int adam_step(AdamOptimizerV2 *optimizer);
AUTOGRAD_API void adam_free(AdamOptimizerV2 *optimizer);

/* Errors */

typedef void (*AutogradErrorHandler)(const char *message, void *user);

/* The calling thread's latest error as a sentence; "" where there was none. Valid until its next error. */
AUTOGRAD_API const char *autograd_last_error(void);
AUTOGRAD_API void autograd_clear_error(void);
/* Takes the place of the handler that prints to stderr; NULL brings that one back. For all threads. */
AUTOGRAD_API void autograd_set_error_handler(AutogradErrorHandler handler, void *user);

/* Contexts and settings */

/* The caller destroys it, once, when no thread uses it or from the thread that does. */
AUTOGRAD_API AutogradContext *autograd_context_create(void);
/* Makes it the calling thread's; NULL goes back to the thread's own. A thread that ends leaves it to others. */
AUTOGRAD_API int autograd_context_use(AutogradContext *context);
AUTOGRAD_API void autograd_context_destroy(AutogradContext *context);

AUTOGRAD_API void autograd_accumulate_gradients(bool accumulate);
/* Turns recording off or on; returns what it was. */
AUTOGRAD_API bool autograd_set_recording(bool recording);
AUTOGRAD_API void autograd_set_seed(uint64_t seed);
AUTOGRAD_API int autograd_set_threads(int threads);
/* Bytes that an iteration may take: arena, tape and handles; 0 takes the limit away. */
AUTOGRAD_API int autograd_set_memory_limit(size_t bytes);
AUTOGRAD_API void autograd_set_anomaly_mode(bool on);
AUTOGRAD_API const char *autograd_version(void);

/* Looking into it */

/* Why gradients are zero, one line for each parameter. Valid until the thread's next call of it. */
AUTOGRAD_API const char *autograd_explain_gradients(VariableV2 **parameters, int count);
/* Compares backward with differences for every parameter; 0 where all agree. `forward` makes the loss anew. */
AUTOGRAD_API int autograd_check_gradients(
    VariableV2 *(*forward)(void *user), void *user, VariableV2 **parameters, int count, double tolerance);
AUTOGRAD_API void autograd_memory_report(FILE *stream);

AUTOGRAD_END

#endif
