// What every CPU has, double.
#include "common.h"

#define TABLE ck_table_f64_baseline
#define REAL_BITS 64
#include "baseline.h"
#include "kernels.h"
