// AVX-512, float.
#include "common.h"

#if defined(__x86_64__)
#define TABLE ck_table_f32_avx512
#define REAL_BITS 32
#include "avx512.h"
#include "kernels.h"

#pragma clang attribute pop
#endif
