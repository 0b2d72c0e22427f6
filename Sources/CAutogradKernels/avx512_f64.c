// AVX-512, double.
#include "common.h"

#if defined(__x86_64__)
#define TABLE ck_table_f64_avx512
#define REAL_BITS 64
#include "avx512.h"
#include "kernels.h"

#pragma clang attribute pop
#endif
