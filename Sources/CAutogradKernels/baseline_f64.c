// 128-bit vectors: SSE2, and NEON on Arm, double.
#include "common.h"

#define TABLE ck_table_f64_baseline
#define REAL_BITS 64
#define VECTOR_BYTES 16
#define MR 4
#define MORE_CASES(CASE)
#define HAS_FMA 0
#define HAS_MASKS 0
#include "kernels.h"
