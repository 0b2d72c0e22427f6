// What every CPU has, float.
#include "common.h"

#define TABLE ck_table_f32_baseline
#define REAL_BITS 32
#include "baseline.h"
#include "kernels.h"
