// AVX-512 with dot products of bfloat16 pairs: what multiplies: matrix products and attention.
#include "common.h"

#if defined(__x86_64__)
#define REAL_BITS 32
#define PAIRS 1
#include "avx512.h"
#include "element.h"
#include "bodies/total.h"
#include "bodies/softmax_row.h"
#include "bodies/update.h"
#include "bodies/gemm.h"
#include "bodies/attention.h"
#include "bodies/attention_backward.h"
#include "bodies/attention_cached.h"
#include "bodies/weights.h"

extern const ck_pair_table ck_pair_table_avx512;
const ck_pair_table ck_pair_table_avx512 = {
  .gemm_pack = gemm_pack, .gemm = gemm, .attention = attention, .attention_backward = attention_backward,
  .cache_append = cache_append, .cached_attention = cached_attention,
  .weight_rows = weight_rows,
};

#pragma clang attribute pop
#endif
