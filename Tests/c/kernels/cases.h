// Every function of the tables, by name. What is missing here, or has no check, does not compile.
#ifndef KERNELS_CASES_H
#define KERNELS_CASES_H

#include "driver.h"

// CASE(name in ck_table): its check is `check_NAME`.
#define KERNELS(CASE) \
  CASE(unary) CASE(unary_backward) CASE(affine) CASE(fill) CASE(dropout) CASE(clip) CASE(clip_backward) \
  CASE(binary) CASE(strided_copy) CASE(strided_write) CASE(sum) CASE(extremum) CASE(extremum_backward) \
  CASE(softmax) CASE(softmax_backward) CASE(log_softmax) CASE(log_softmax_backward) \
  CASE(log_sum_exp) CASE(log_sum_exp_backward) CASE(layer_norm) CASE(layer_norm_backward) \
  CASE(embedding) CASE(embedding_backward) CASE(gather) CASE(gather_backward) \
  CASE(cross_entropy) CASE(pair_loss) CASE(pair_loss_backward) \
  CASE(rms_norm) CASE(rms_norm_backward) CASE(gate) CASE(gate_backward) \
  CASE(gemm_pack) CASE(gemm) CASE(attention) CASE(attention_backward) CASE(cache_append) CASE(cached_attention) \
  CASE(norm) CASE(update)

// CASE(name in ck_table): of tables of float.
#define WEIGHT_KERNELS(CASE) CASE(weight_rows) CASE(weight_integers) CASE(weight_embedding) \
  CASE(quantize)

// CASE(name in ck_pair_table): the same checks, with `pairs`.
#define PAIR_KERNELS(CASE) \
  CASE(gemm_pack) CASE(gemm) CASE(attention) CASE(attention_backward) CASE(cache_append) CASE(cached_attention) \
  CASE(weight_rows)

// CASE(name in ck_integer_table): the same checks.
#define INTEGER_KERNELS(CASE) CASE(weight_integers)

// CASE(kind of ck_update_kind, name): its check is `check_NAME_update`.
#define UPDATES(CASE) \
  CASE(CK_UPDATE_ADAM, adam) CASE(CK_UPDATE_DESCENT, descent) CASE(CK_UPDATE_MOMENTUM, momentum)

#define DECLARE(NAME) void check_##NAME(check *c, ck_function kernel);
KERNELS(DECLARE)
WEIGHT_KERNELS(DECLARE)
#undef DECLARE

#define DECLARE(KIND, NAME) void check_##NAME##_update(check *c, ck_update update);
UPDATES(DECLARE)
#undef DECLARE

#endif
