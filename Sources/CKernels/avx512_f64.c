// AVX-512 (F, DQ, BW, VL), double.
#include "common.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)

#define TABLE ck_table_f64_avx512
#define REAL_BITS 64
#define VECTOR_BYTES 64
#define MR 14
#define MORE_CASES(CASE) \
  CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#define HAS_FMA 1
#define HAS_MASKS 1
#include "kernels.h"

#pragma clang attribute pop
#endif
