// AVX2 with fused multiply-add, double.
#include "common.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define TABLE ck_table_f64_avx2
#define REAL_BITS 64
#define VECTOR_BYTES 32
#define MR 6
#define MORE_CASES(CASE) CASE(5) CASE(6)
#define HAS_FMA 1
#define HAS_MASKS 0
#include "kernels.h"

#pragma clang attribute pop
#endif
