// The element type and the vocabulary of one instruction set. The including file defines, most of it with avx2.h or
// avx512.h:
//   REAL_BITS, VECTOR_BYTES, MR (rows of the register tile), MORE_CASES (row counts above 4), STEPS_TOGETHER (steps of a
//   whole tile that are counted as one), HAS_FMA, HAS_MASKS.

#if REAL_BITS == 32
#define REAL float
#define INTEGER int32_t
#define INTEGER_MAX INT32_MAX
#define INTEGER_MIN INT32_MIN
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define LN2_HIGH 0x1.62e4p-1
#define LN2_LOW 0x1.7f7d1cf79abcap-20
#define EXP_LOW -87.3365447505531
#define EXP_HIGH 88.0296919311130
#define EXP_MAX 88.7228390520684
#define LOWEST -3.402823466e38f
#define SQRT(x) __builtin_sqrtf(x)
#define POW(x, y) powf(x, y)
#define ERF_SERIES ERF_SERIES_F32
#define ERF_TAIL ERF_TAIL_F32
#define ERF_LIMIT ERF_LIMIT_F32
#define ERF_MIDDLE ERF_MIDDLE_F32
#define ERF_INVERSE_HALF ERF_INVERSE_HALF_F32
#else
#define REAL double
#define INTEGER int64_t
#define INTEGER_MAX INT64_MAX
#define INTEGER_MIN INT64_MIN
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define EXP_LOW -708.396418532264
#define EXP_HIGH 709.08956571282
#define EXP_MAX 709.782712893384
#define LOWEST -1.7976931348623157e308
#define SQRT(x) __builtin_sqrt(x)
#define POW(x, y) pow(x, y)
#define ERF_SERIES ERF_SERIES_F64
#define ERF_TAIL ERF_TAIL_F64
#define ERF_LIMIT ERF_LIMIT_F64
#define ERF_MIDDLE ERF_MIDDLE_F64
#define ERF_INVERSE_HALF ERF_INVERSE_HALF_F64
#endif

#if VECTOR_BYTES * 8 / REAL_BITS == 2
#define LANE_LIST(F, d) LIST2(F, d)
#elif VECTOR_BYTES * 8 / REAL_BITS == 4
#define LANE_LIST(F, d) LIST4(F, d)
#elif VECTOR_BYTES * 8 / REAL_BITS == 8
#define LANE_LIST(F, d) LIST8(F, d)
#else
#define LANE_LIST(F, d) LIST16(F, d)
#endif

#include "vector.h"
#include "elementary.h"
