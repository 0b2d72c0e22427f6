// Loops over raw arrays that need vector instructions.
//
// Rules that every kernel keeps:
// - No allocation, no I/O, no state. Memory belongs to the caller; `scratch` belongs to the calling thread.
// - A kernel works on the units [begin, end) of its range; what a unit is stands above its arguments. Any
//   partition of the range, in any order, on any threads, gives the same bits.
// - Each output element has one owner and one order of summation, chosen by the shape alone.
// - Pointers are to `float` or to `double`, as the table that the function comes from says. Strides and sizes
//   count elements, not bytes.
//
// Axes: B batch, T tokens, C channels, H heads, D = C/H, V vocabulary.
#ifndef AUTOGRAD_CKERNELS_H
#define AUTOGRAD_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CK_MAX_RANK = 8 };

typedef ptrdiff_t ck_index;

/// Runs the units [begin, end); `scratch` is private to the calling thread (64-byte aligned).
typedef void (*ck_function)(const void *arguments, ck_index begin, ck_index end,
                            void *scratch);

// ---------------------------------------------------------------------------------------------------------
// Element-wise. Unit: one element; the caller cuts at multiples of 64.

typedef enum ck_unary_op {
  CK_RELU, CK_GELU_TANH, CK_GELU_ERF, CK_EXP, CK_LOG, CK_TANH, CK_SIGMOID, CK_SILU, CK_SQRT, CK_ABS,
  CK_RELU_SQUARED,
} ck_unary_op;

/// y = op(x)
typedef struct ck_unary { ck_unary_op op; void *y; const void *x; } ck_unary;

/// dx = op'(x) · dy, added to dx where `accumulate`. `y` is read by exp, tanh and sqrt only; where it is NULL they
/// compute it again.
typedef struct ck_unary_backward {
  ck_unary_op op; void *dx; const void *dy; const void *x; const void *y; int accumulate;
} ck_unary_backward;

/// y = scale · x + shift, added to y where `accumulate`.
typedef struct ck_affine { void *y; const void *x; double scale; double shift; int accumulate; } ck_affine;

/// y = min(max(x, low), high); NaN stays NaN.
typedef struct ck_clip { void *y; const void *x; double low; double high; } ck_clip;

/// dx = dy where low ≤ x ≤ high, else 0; added to dx where `accumulate`.
typedef struct ck_clip_backward {
  void *dx; const void *dy; const void *x; double low; double high; int accumulate;
} ck_clip_backward;

/// y = value
typedef struct ck_fill { void *y; double value; } ck_fill;

/// Keeps each element with probability 1 − rate, scaled by 1/(1 − rate). The random word of element i is word
/// i mod 4 of the Philox block (first_block + i / 4, counter1, counter2, counter3): backward draws it again.
typedef struct ck_dropout {
  void *y; const void *x; double rate; uint64_t key;
  uint32_t counter1, counter2, counter3; int accumulate;
} ck_dropout;

// ---------------------------------------------------------------------------------------------------------
// Strided. The last axis is the inner loop. Unit: one element where rank is 1, else one row (an index over all
// axes but the last). A stride of 0 repeats (broadcasting).

/// Slopes of a^b: by the base b·a^(b−1), 0 where b is 0; by the exponent a^b·log a, 0 where a is 0 and b is
/// not negative. Comparisons give 1 or 0. KEEP_WHERE gives b where a is not 0, KEEP_UNLESS where it is; −0
/// elsewhere, to which anything may be added without changing a bit.
typedef enum ck_binary_op {
  CK_ADD, CK_SUBTRACT, CK_MULTIPLY, CK_DIVIDE, CK_NEGATED_PRODUCT,
  CK_POWER, CK_POWER_BASE_SLOPE, CK_POWER_EXPONENT_SLOPE,
  CK_LESS, CK_LESS_EQUAL, CK_EQUAL, CK_NOT_EQUAL, CK_KEEP_WHERE, CK_KEEP_UNLESS,
} ck_binary_op;

/// y = op(a, b), added to y where `accumulate`; y is contiguous.
typedef struct ck_binary {
  ck_binary_op op; int rank; int accumulate; void *y; const void *a; const void *b;
  ck_index shape[CK_MAX_RANK]; ck_index a_strides[CK_MAX_RANK]; ck_index b_strides[CK_MAX_RANK];
} ck_binary;

/// y = scale · x, added to y where `accumulate`; y is contiguous. Transposes and repeats.
typedef struct ck_strided_copy {
  int rank; int accumulate; double scale; void *y; const void *x;
  ck_index shape[CK_MAX_RANK]; ck_index x_strides[CK_MAX_RANK];
} ck_strided_copy;

/// The other way round: x is contiguous, y is strided. Every element of y has one x.
typedef struct ck_strided_write {
  int rank; int accumulate; void *y; const void *x;
  ck_index shape[CK_MAX_RANK]; ck_index y_strides[CK_MAX_RANK];
} ck_strided_write;

/// Terms that are added up before they are added to a total, where totals are not formed term by term.
#define CK_TERMS 32

/// y[kept] = scale · Σ x[kept, reduced] / divisor, added to y where `accumulate`; y is contiguous over the kept axes.
/// `inner` counts the contiguous kept elements at the end of x (1 where the last axis is reduced).
/// Unit: a block of 64 of the `inner` elements of one row of the kept axes. The sum is right to its last digit.
typedef struct ck_sum {
  int kept_rank; int reduced_rank; int accumulate; double scale; double divisor; ck_index inner; void *y; const void *x;
  ck_index kept_shape[CK_MAX_RANK]; ck_index kept_strides[CK_MAX_RANK];
  ck_index reduced_shape[CK_MAX_RANK]; ck_index reduced_strides[CK_MAX_RANK];
} ck_sum;

/// y[kept] = the largest x[kept, reduced], or the smallest; NaN beats every number, the first wins among
/// equals. `places` gets its position among the reduced elements, as an integer of the element's size. Axes
/// and units as those of `ck_sum`; there is at least one reduced element.
typedef struct ck_extremum {
  int kept_rank; int reduced_rank; int minimum; ck_index inner; void *y; void *places; const void *x;
  ck_index kept_shape[CK_MAX_RANK]; ck_index kept_strides[CK_MAX_RANK];
  ck_index reduced_shape[CK_MAX_RANK]; ck_index reduced_strides[CK_MAX_RANK];
} ck_extremum;

/// dx[place] += dy. Units as forward.
typedef struct ck_extremum_backward { ck_extremum forward; void *dx; const void *dy; } ck_extremum_backward;

// ---------------------------------------------------------------------------------------------------------
// Rows of `columns` contiguous elements. Unit: one row.

typedef struct ck_softmax { void *y; const void *x; ck_index columns; } ck_softmax;

typedef struct ck_softmax_backward {
  void *dx; const void *dy; const void *y; ck_index columns; int accumulate;
} ck_softmax_backward;

/// y = x − log Σ exp(x)
typedef struct ck_log_softmax { void *y; const void *x; ck_index columns; } ck_log_softmax;

/// dx = dy − exp(y) · Σ dy
typedef struct ck_log_softmax_backward {
  void *dx; const void *dy; const void *y; ck_index columns; int accumulate;
} ck_log_softmax_backward;

/// y[row] = log Σ exp(x)
typedef struct ck_log_sum_exp { void *y; const void *x; ck_index columns; } ck_log_sum_exp;

/// dx = exp(x − y[row]) · dy[row]
typedef struct ck_log_sum_exp_backward {
  void *dx; const void *dy; const void *x; const void *y; ck_index columns; int accumulate;
} ck_log_sum_exp_backward;

/// y = scale · (x − mean) · reciprocal deviation + shift; keeps both statistics of every row.
/// `scale` and `shift` may be NULL (1 and 0).
typedef struct ck_layer_norm {
  void *y; const void *x; const void *scale; const void *shift; void *mean; void *reciprocal_deviation;
  ck_index columns; double epsilon;
} ck_layer_norm;

/// dx from dy; and for each unit b, scale_sums[b] = Σ dy · x̂ and shift_sums[b] = Σ dy over its rows. Each of the three may
/// be NULL. Unit: a block of CK_TERMS rows, the last one maybe fewer.
typedef struct ck_layer_norm_backward {
  void *dx; void *scale_sums; void *shift_sums; const void *dy; const void *x; const void *scale; const void *mean;
  const void *reciprocal_deviation; ck_index rows; ck_index columns; int accumulate;
} ck_layer_norm_backward;

/// y = scale · x · r with r = 1/√(mean of x² + epsilon), which is kept for every row. `scale` may be NULL (1).
typedef struct ck_rms_norm {
  void *y; const void *x; const void *scale; void *reciprocal; ck_index columns; double epsilon;
} ck_rms_norm;

/// dx from dy; and for each unit b, scale_sums[b] = Σ dy · x · r over its rows. Either may be NULL. Unit: a block of
/// CK_TERMS rows, the last one maybe fewer.
typedef struct ck_rms_norm_backward {
  void *dx; void *scale_sums; const void *dy; const void *x; const void *scale; const void *reciprocal;
  ck_index rows; ck_index columns; int accumulate;
} ck_rms_norm_backward;

/// y[row] = table[tokens[row]], after `update` if there is one, which the table itself waits for: see ck_gemm.
typedef struct ck_embedding {
  void *y; const void *table; const int32_t *tokens; ck_index columns; const struct ck_rule *update;
} ck_embedding;

/// dtable[tokens[row]] += dy[row], rows ascending. Unit: a block of 64 columns.
typedef struct ck_embedding_backward {
  void *dtable; const void *dy; const int32_t *tokens; ck_index rows; ck_index columns;
} ck_embedding_backward;

/// y[outer, pick, inner] = x[outer, tokens[outer, pick, inner], inner]; x has `length` steps along the axis,
/// y has `picks`. Unit: one `outer`.
typedef struct ck_gather {
  void *y; const void *x; const int32_t *tokens; ck_index length, picks, inner;
} ck_gather;

/// dx[outer, tokens[outer, pick, inner], inner] += dy[outer, pick, inner], picks ascending.
typedef struct ck_gather_backward {
  void *dx; const void *dy; const int32_t *tokens; ck_index length, picks, inner;
} ck_gather_backward;

typedef enum ck_pair_loss_op { CK_SQUARED_ERROR, CK_BINARY_CROSS_ENTROPY } ck_pair_loss_op;

/// partials[unit] = Σ loss(x, target) over 1024 elements, in double, right to its last digit. Unit: 1024 elements.
typedef struct ck_pair_loss {
  ck_pair_loss_op op; const void *x; const void *targets; double *partials; ck_index count;
} ck_pair_loss;

/// dx = scale · ∂loss/∂x, dtargets likewise; either may be NULL. Unit: one element.
typedef struct ck_pair_loss_backward {
  ck_pair_loss_op op; void *dx; void *dtargets; const void *x; const void *targets; double scale;
  int accumulate_x; int accumulate_targets;
} ck_pair_loss_backward;

/// losses[row] = w · (l − x[target] + z_loss · l²) with l = log Σ exp(x), in double, and w = weights[row], or 1 where
/// `weights` is NULL; 0 where the target is `ignore` or w is 0, whatever x holds.
/// With `gradient`: also dx = scale · w · (softmax(x) · (1 + 2 · z_loss · l) − onehot), which may lie in the place of
/// x. Where `soft_cap` is not 0, x is written: soft_cap · tanh(x / soft_cap) takes its place before all that, and dx is
/// the gradient of what was there.
typedef struct ck_cross_entropy {
  void *x; void *gradient; double *losses; const int32_t *targets; const void *weights; ck_index columns;
  ck_index x_stride; int32_t ignore; int accumulate; double scale, soft_cap, z_loss;
} ck_cross_entropy;

// ---------------------------------------------------------------------------------------------------------
// Matrix product: C[m, n] = A[m, k] · B[k, n], every element one chain of fused multiply-adds, k ascending, or the sum
// of two where k has halves; `ck_onto` says where a chain begins. Both operands have a row and a column stride, one of
// them 1.
// `rounds` rounds the elements of both operands to bfloat16 as they are packed (float only).

enum { CK_ACTIVATION_NONE = -1 };

/// Applied to a finished element: v = c + bias[n]; preactivation = v; v = activation(v) + residual; c = v. `activation` is
/// that of a layer, or CK_ACTIVATION_NONE.
///
/// Where `gated` is not NULL, columns are pairs of a gate and what it is multiplied by: v = c + bias[n]; c = v; and
/// gated[m, i] = activation(v[m, 2i]) · v[m, 2i + 1], whose rows are half as far apart as those of C. Then n and the
/// distance of the rows are even, and there is neither preactivation nor residual.
typedef struct ck_epilogue {
  const void *bias; void *preactivation; int activation; const void *residual; void *gated;
} ck_epilogue;

/// y[i] = op(z[2i]) · z[2i + 1]. Unit: one element of y; the caller cuts at multiples of 64.
typedef struct ck_gate { ck_unary_op op; void *y; const void *z; } ck_gate;

/// dz[2i] = op'(z[2i]) · z[2i + 1] · dy[i], dz[2i + 1] = op(z[2i]) · dy[i]; dz may lie in the place of z.
typedef struct ck_gate_backward { ck_unary_op op; void *dz; const void *dy; const void *z; } ck_gate_backward;

/// Rows of A or columns of B: `count` of them, `stride` apart, whose elements along k lie `k_stride` apart.
typedef struct ck_operand { const void *start; ck_index stride; ck_index k_stride; ck_index count; } ck_operand;

/// Packs rows of A into panels of `mr`, or columns of B into panels of `nr`. Unit: one panel.
typedef struct ck_gemm_pack { ck_operand operand; void *packed; ck_index k; int is_b; int rounds; } ck_gemm_pack;

/// Multiplies. One operand is a thread's `own`: it packs what a tile needs of it. The other is `common` to all tiles:
/// `packed_common`, or where that is null, a copy that each thread packs for itself. Where `owns_columns`, a thread's own
/// are columns of B, otherwise rows of A.
///
/// Unit: a tile of `own_per_tile` rows (columns) against the whole common operand. The threads' own come in `parts` equal
/// parts, cut at multiples of `part_multiple`, of `tiles_per_part` units each; the last tiles of a part may be short or
/// empty.
///
/// Where `first_half` is not 0, k has two halves, of which the first has that many elements. The first half of the units
/// multiplies over the first, the others over the second. That is one of two runs: in the other `rotation` is half of the
/// parts, so that each unit meets the other half of k and adds to what was written.
///
/// With an `update` the own operand is a parameter with a deferred update: its rows are updated as they are packed, so
/// each must be packed once. The first of the rule's pieces is the beginning of all the parameter's arrays; the others
/// follow it in memory, under the same rule.
///
/// `scratch` begins with 64 bytes that are zero before the first unit of a product; then come the copy, if any, and
/// own_per_tile × k elements, each in whole panels and cache lines. `passes_caches` stores C past the caches where it is
/// aligned; only without an epilogue and where `onto` is CK_WRITES.
///
/// With a `weight` the own operand is its columns of B, from the element `weight_k` of k on, which begins a block:
/// nothing is packed where its panels are what packing would make (see CAutogradKernelsWeights.h), else its numbers are
/// unpacked. `own` then says only how many columns there are. Where `weight_turned`, columns are the weight's inputs, and
/// k goes along its rows; parts and tiles begin at blocks of 32, and `weight_k` begins a panel.
typedef enum ck_onto {
  CK_WRITES,
  CK_CONTINUES,  // each element's chain goes on from C
  CK_ADDS,       // the chain begins at +0, its end is added to C
} ck_onto;

typedef struct ck_gemm {
  ck_operand own, common; const void *packed_common; int owns_columns;
  void *c; ck_index c_stride; ck_index k; ck_index first_half;
  ck_index own_per_tile; ck_index tiles_per_part; ck_index parts; ck_index part_multiple; ck_index rotation;
  ck_onto onto; int has_epilogue; ck_epilogue epilogue; int rounds; int passes_caches;
  const struct ck_rule *update; const struct ck_weight *weight; ck_index weight_k; int weight_turned;
} ck_gemm;

// ---------------------------------------------------------------------------------------------------------
// Causal attention of H query heads, of D columns each, to KV ≤ H heads of keys and values: query head h reads key head
// h / (H / KV). A query sees the `window` last keys up to its own, of its own document.
//
// Rows are independent of later rows, of other documents and of keys before their window: scores of masked keys are
// computed with their panel, but never read.

/// y [B, T, H·D]; `maximum` and `reciprocal_sum` [B, H, T] are kept for backward. Unit: one (batch, query head).
///
/// Rows of q, k and v lie `q_stride`, `k_stride` and `v_stride` apart, sequences T rows; a head's columns are neighbours.
/// H is a multiple of KV; 1 ≤ window ≤ T.
///
/// `positions` [B, T], which may be NULL: each token's place in its document, of which 0 begins one; without them a row
/// of the batch is one document. A row's first token begins one whatever it says.
///
/// Where `normalizes`, each head of q and k is first divided by √(mean of squares + norm_epsilon) and multiplied by
/// `q_weight` and `k_weight` [D], which may be NULL. Where there are `cosines` and `sines` [positions, rotary_size / 2],
/// the first `rotary_size` ≤ D columns of each are then turned: pair j, of columns (2j, 2j + 1) where `interleaves`, else
/// (j, j + rotary_size / 2), by the angle of the token's position.
typedef struct ck_attention {
  const void *q, *k, *v; void *y; void *maximum; void *reciprocal_sum;
  ck_index q_stride, k_stride, v_stride, T, H, KV, D, window; double scale;
  const int32_t *positions;
  int normalizes; double norm_epsilon; const void *q_weight, *k_weight;
  const void *cosines, *sines; ck_index rotary_size; int interleaves;
  double dropout_rate; uint64_t key; uint32_t counter1, counter2, counter3;
} ck_attention;

/// dq, dk and dv, at the strides of q, k and v, from dy [B, T, H·D]. `q_weight_sums` and `k_weight_sums` [B·KV, D], which
/// may be NULL, get each unit's part of the weights' gradients. Unit: one (batch, key head), with all of its query heads.
typedef struct ck_attention_backward {
  ck_attention forward; const void *dy; void *dq, *dk, *dv; void *q_weight_sums, *k_weight_sums; int accumulate;
} ck_attention_backward;

// ---------------------------------------------------------------------------------------------------------
// Attention over keys and values that are kept from one pass to the next, for texts that go on.

/// `count` neighbouring rows of the batch, from `row` on, that continue the text number `sequence` at `position`.
/// `first_block` counts the blocks of the spans before it.
typedef struct ck_span { ck_index row, count, position, sequence, first_block; } ck_span;

/// Rows of several texts, each over the keys of its own text up to its own. `attention` is as above over one sequence of T
/// rows, with a position in its text for each, without dropout, and `maximum` and `reciprocal_sum` NULL; it is what the
/// whole text would have at these rows, bit for bit.
///
/// A text's head of keys has room for `capacity` keys, a multiple of nr: as panels [capacity / nr][D][nr] in `keys`
/// [sequences, KV], and its values as panels [D / nr][capacity][nr] in `values`, D rounded up to whole panels. Functions
/// of `ck_pair_table` keep pairs of channels in `keys`, of keys in `values`: [capacity / nr][(D + 1) / 2][nr] and
/// [D / nr][capacity / 2][nr]. Where `halves`, of float and not in pairs, keys and values are kept as bfloat16, in 2 bytes.
///
/// `longest` is the number of keys that the last row sees that sees most, or more, a multiple of nr.
///
/// Unit: one query head of a block of `rows_per_block` rows of a span, an even number; the span's last may be shorter.
/// Units of a span follow each other by head, then by block.
typedef struct ck_cached_attention {
  ck_attention attention; const ck_span *spans; ck_index span_count, rows_per_block;
  void *keys, *values; ck_index capacity, longest; int halves;
} ck_cached_attention;

/// Keeps the keys and values of a pass. Unit: one head of keys of one span.
typedef struct ck_cache_append { ck_cached_attention pass; } ck_cache_append;

// ---------------------------------------------------------------------------------------------------------
// Optimiser. Parameters are cut into pieces, in order; a unit is one piece.

enum { CK_MAX_STATES = 4, CK_MAX_COEFFICIENTS = 8 };

/// `rate_factor` multiplies the learning rate; `states` are what the rule keeps for each element, NULL behind the last.
typedef struct ck_piece {
  void *value; void *gradient; void *states[CK_MAX_STATES]; ck_index count;
  double weight_decay; double rate_factor;
} ck_piece;

/// sums[piece] = Σ gradient², in double, right to its last digit.
typedef struct ck_norm { const ck_piece *pieces; double *sums; } ck_norm;

struct ck_rule;

/// Updates `rows` runs of `columns` neighbouring elements of a parameter, `stride` apart, from element `first` of the
/// piece on; they may lie behind its end, in the pieces that follow. Where `target` is not NULL, the new values go there,
/// one run behind the other, and piece and states stay as they are. The result for an element depends on nothing but what
/// the arrays hold for it and on the rule.
typedef void (*ck_update)(const struct ck_rule *rule, const ck_piece *piece, ck_index first, ck_index stride,
                          ck_index rows, ck_index columns, void *target);

/// An optimiser's rule in one step: the function for it, of the pieces' type, and what that reads. `step` is counted from
/// 1. Every gradient is multiplied by `gradient_scale` first. `context` belongs to the function. Nobody but it knows the
/// formula. As a kernel's arguments: unit: one piece.
typedef struct ck_rule {
  const ck_piece *pieces; ck_update update; const void *context; ck_index state_count, step;
  double learning_rate, gradient_scale, coefficients[CK_MAX_COEFFICIENTS];
} ck_rule;

/// The rules that are written as vector code; one file in `bodies/` for each.
///
/// Adam: with bias corrections, which are 1 − βᵗ. Weight decay shrinks the weights, or is added to the gradient where
/// `coupled_decay` is not 0. Descent: no states, weight decay is added to the gradient. Momentum: the same with one state,
/// which the first step fills; Nesterov's where `nesterov` is not 0.
typedef enum ck_update_kind { CK_UPDATE_ADAM, CK_UPDATE_DESCENT, CK_UPDATE_MOMENTUM, CK_UPDATE_KINDS } ck_update_kind;

enum ck_adam_coefficient {
  CK_ADAM_BETA1, CK_ADAM_BETA2, CK_ADAM_EPSILON, CK_ADAM_CORRECTION1, CK_ADAM_CORRECTION2, CK_ADAM_COUPLED_DECAY,
};
enum ck_momentum_coefficient { CK_MOMENTUM_MOMENTUM, CK_MOMENTUM_NESTEROV };

// ---------------------------------------------------------------------------------------------------------

typedef struct ck_table {
  /// Rows and columns of the product's register tile.
  ck_index mr, nr;
  ck_function unary, unary_backward, affine, fill, dropout, binary, strided_copy, sum;
  ck_function softmax, softmax_backward, layer_norm, layer_norm_backward;
  ck_function embedding, embedding_backward, cross_entropy;
  ck_function clip, clip_backward, strided_write, extremum, extremum_backward;
  ck_function log_softmax, log_softmax_backward, log_sum_exp, log_sum_exp_backward;
  ck_function gather, gather_backward, pair_loss, pair_loss_backward;
  ck_function rms_norm, rms_norm_backward, gate, gate_backward;
  ck_function gemm_pack, gemm, attention, attention_backward, cache_append, cached_attention, norm, update;
  ck_update updates[CK_UPDATE_KINDS];
  /// Stored weights; NULL in tables of double.
  ck_function weight_rows, weight_integers, weight_embedding, quantize;
} ck_table;

typedef enum ck_instruction_set { CK_BASELINE = 0, CK_AVX2 = 1, CK_AVX512 = 2 } ck_instruction_set;

/// The widest set that this CPU and operating system run.
ck_instruction_set ck_widest_instruction_set(void);

/// The vector code of a rule.
static inline ck_update ck_update_of(const ck_table *table, ck_update_kind kind) { return table->updates[kind]; }

/// The functions of one instruction set for float (element_size 4) or double (8); NULL where not compiled in.
const ck_table *ck_table_for(ck_instruction_set set, int element_size);

/// Elements of scratch per thread that attention needs, forward and backward, with the functions of `ck_table` or, where
/// `pairs`, of `ck_pair_table`. Only sizes and choices are looked at.
ck_index ck_attention_scratch(const ck_table *table, const ck_attention *arguments, int pairs);
ck_index ck_attention_backward_scratch(const ck_table *table, const ck_attention *arguments, int pairs);
/// The same of both functions over kept keys.
ck_index ck_cached_attention_scratch(const ck_table *table, const ck_cached_attention *arguments, int pairs);

/// What multiplies in bfloat16: operands rounded, two neighbours along k multiplied and added to a float at a time.
/// `gemm_pack` packs (k + 1) / 2 floats where the other packs k; `rounds` is ignored.
typedef struct ck_pair_table {
  ck_function gemm_pack, gemm, attention, attention_backward, cache_append, cached_attention, weight_rows;
} ck_pair_table;

/// NULL where this CPU and operating system do not run AVX512-BF16.
const ck_pair_table *ck_widest_pair_table(void);

#ifdef __cplusplus
}
#endif

#include "CAutogradKernelsMeasuring.h"
#include "CAutogradKernelsWeights.h"
#endif
