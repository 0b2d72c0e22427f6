// AVX-512 (F, DQ, BW, VL; with PAIRS BF16 too, with VNNI that): opens its target region, which the including file
// closes, and sets what element.h wants of an instruction set.

#if VNNI
#pragma clang attribute push( \
  __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2,fma"))), apply_to = function)
#elif PAIRS
#pragma clang attribute push( \
  __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma"))), apply_to = function)
#else
#pragma clang attribute push( \
  __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#endif

#define VECTOR_BYTES 64
#define MR 14
#define MORE_CASES(CASE) \
  CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#define HAS_FMA 1
#define HAS_MASKS 1
#define STEPS_TOGETHER 1
