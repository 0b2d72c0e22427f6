// AVX2, double.
#include "common.h"

#if defined(__x86_64__)
#define TABLE ck_table_f64_avx2
#define REAL_BITS 64
#include "avx2.h"
#include "kernels.h"

#pragma clang attribute pop
#endif
