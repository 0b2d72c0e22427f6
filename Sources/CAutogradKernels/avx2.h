// AVX2 with fused multiply-add: opens its target region, which the including file closes, and sets what element.h wants
// of an instruction set.

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define VECTOR_BYTES 32
#define MR 6
#define MORE_CASES(CASE) CASE(5) CASE(6)
#define HAS_FMA 1
#define HAS_MASKS 0
#define STEPS_TOGETHER 4
