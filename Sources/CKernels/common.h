// What every instruction set's file needs before its target region opens.
#include "CKernels.h"
#include "erf_coefficients.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline, unused))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define SQRT_DOUBLE(x) __builtin_sqrt(x)
#define LOG_SCALAR(x) log(x)

// Lane lists for the two halves of a transposing step of distance d: lane l of `low` keeps its own element where
// bit d of l is clear and takes the partner's otherwise; `high` mirrors it.
#define LOW1(l, d, N) ((l) & (d) ? (N) + (l) - (d) : (l))
#define HIGH1(l, d, N) ((l) & (d) ? (N) + (l) : (l) + (d))
#define LIST2(F, d) F(0, d, 2), F(1, d, 2)
#define LIST4(F, d) F(0, d, 4), F(1, d, 4), F(2, d, 4), F(3, d, 4)
#define LIST8(F, d) \
  F(0, d, 8), F(1, d, 8), F(2, d, 8), F(3, d, 8), F(4, d, 8), F(5, d, 8), F(6, d, 8), F(7, d, 8)
#define LIST16(F, d) \
  F(0, d, 16), F(1, d, 16), F(2, d, 16), F(3, d, 16), F(4, d, 16), F(5, d, 16), F(6, d, 16), F(7, d, 16), \
  F(8, d, 16), F(9, d, 16), F(10, d, 16), F(11, d, 16), F(12, d, 16), F(13, d, 16), F(14, d, 16), F(15, d, 16)

// Elements are kept where their random word is at least this: P(dropped) = rate.
INLINE uint32_t dropout_threshold(double rate) { return (uint32_t)(rate * 4294967296.0); }

// Blocks that are drawn together, one to a lane, and words in them.
#define PHILOX_BLOCKS 8
#define PHILOX_WORDS (4 * PHILOX_BLOCKS)

typedef uint32_t philox_lanes __attribute__((vector_size(4 * PHILOX_BLOCKS)));
typedef uint64_t philox_products __attribute__((vector_size(8 * PHILOX_BLOCKS)));

// The words of the blocks (first, c1, c2, c3), (first + 1, c1, c2, c3) …: Philox 4×32-10 (Salmon et al., "Parallel
// random numbers: as easy as 1, 2, 3", 2011), as Base.Philox.
INLINE void philox(uint64_t key, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t *words) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  philox_lanes a = (philox_lanes){0, 1, 2, 3, 4, 5, 6, 7} + first, b = (philox_lanes){0} + c1;
  philox_lanes c = (philox_lanes){0} + c2, d = (philox_lanes){0} + c3;
  for (int round = 0; round < 10; round++) {
    const philox_products p0 = __builtin_convertvector(a, philox_products) * 0xD2511F53u;
    const philox_products p1 = __builtin_convertvector(c, philox_products) * 0xCD9E8D57u;
    a = __builtin_convertvector(p1 >> 32, philox_lanes) ^ b ^ k0;
    b = __builtin_convertvector(p1, philox_lanes);
    c = __builtin_convertvector(p0 >> 32, philox_lanes) ^ d ^ k1;
    d = __builtin_convertvector(p0, philox_lanes);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < PHILOX_BLOCKS; i++) {
    words[4 * i] = a[i], words[4 * i + 1] = b[i], words[4 * i + 2] = c[i], words[4 * i + 3] = d[i];
  }
}
