// AVX-512 with dot products of bfloat16 pairs: what multiplies: matrix products and attention.
#include "common.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma"))), apply_to = function)

#define REAL_BITS 32
#define VECTOR_BYTES 64
#define MR 14
#define MORE_CASES(CASE) \
  CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#define HAS_FMA 1
#define HAS_MASKS 1
#define PAIRS 1
#include "element.h"
#include "bodies/softmax_row.h"
#include "bodies/gemm.h"
#include "bodies/attention.h"

extern const ck_pair_table ck_pair_table_avx512;
const ck_pair_table ck_pair_table_avx512 = {
  .gemm_pack = gemm_pack, .gemm = gemm, .attention = attention, .attention_backward = attention_backward,
};

#pragma clang attribute pop
#endif
