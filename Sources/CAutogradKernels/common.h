// What every instruction set's file needs before its target region opens.
#include "CAutogradKernels.h"
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
// The even lanes of two vectors side by side, and the odd ones (d 0 or 1).
#define EVERY_SECOND(l, d, N) (2 * (l) + (d))
// Lanes of two vectors in turns: of their lower halves (d 0), or of their upper ones (d 1).
#define IN_TURNS(l, d, N) ((l) / 2 + (d) * (N) / 2 + ((l) & 1) * (N))
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
#define PHILOX_BLOCKS 16
#define PHILOX_WORDS (4 * PHILOX_BLOCKS)

typedef uint32_t philox_lanes __attribute__((vector_size(4 * PHILOX_BLOCKS)));
typedef uint64_t philox_products __attribute__((vector_size(4 * PHILOX_BLOCKS)));

// Both halves of 32-bit words times a constant: products of the even lanes and of the odd ones, put side by side. Not a
// function: vectors of this width are not passed alike everywhere.
#define PHILOX_MULTIPLY(x, factor, low, high) \
  do { \
    const philox_products even = ((philox_products)(x) & 0xFFFFFFFF) * (factor); \
    const philox_products odd = ((philox_products)(x) >> 32) * (factor); \
    high = (philox_lanes)(even >> 32 | (odd & 0xFFFFFFFF00000000)); \
    low = (philox_lanes)((even & 0xFFFFFFFF) | odd << 32); \
  } while (0)

// The words of the blocks (first, c1, c2, c3), (first + 1, c1, c2, c3) …: Philox 4×32-10 (Salmon et al., "Parallel
// random numbers: as easy as 1, 2, 3", 2011), as Base.Philox.
INLINE void philox(uint64_t key, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t *words) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  philox_lanes a = (philox_lanes){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} + first;
  philox_lanes b = (philox_lanes){0} + c1, c = (philox_lanes){0} + c2, d = (philox_lanes){0} + c3;
  for (int round = 0; round < 10; round++) {
    philox_lanes low0, low1, high0, high1;
    PHILOX_MULTIPLY(a, 0xD2511F53u, low0, high0);
    PHILOX_MULTIPLY(c, 0xCD9E8D57u, low1, high1);
    a = high1 ^ b ^ k0;
    b = low1;
    c = high0 ^ d ^ k1;
    d = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  // Lane i of the four vectors, side by side: pairs of words first, then pairs of pairs.
#define ZIP(x, y, half) \
  __builtin_shufflevector(x, y, half, 16 + half, 1 + half, 17 + half, 2 + half, 18 + half, 3 + half, 19 + half, \
    4 + half, 20 + half, 5 + half, 21 + half, 6 + half, 22 + half, 7 + half, 23 + half)
#define ZIP_PAIRS(x, y, half) \
  (philox_lanes)__builtin_shufflevector((philox_products)x, (philox_products)y, half, 8 + half, 1 + half, 9 + half, \
    2 + half, 10 + half, 3 + half, 11 + half)
  const philox_lanes ab[2] = {ZIP(a, b, 0), ZIP(a, b, 8)}, cd[2] = {ZIP(c, d, 0), ZIP(c, d, 8)};
  for (int i = 0; i < 2; i++) {
    const philox_lanes low = ZIP_PAIRS(ab[i], cd[i], 0), high = ZIP_PAIRS(ab[i], cd[i], 4);
    memcpy(words + 32 * i, &low, sizeof low);
    memcpy(words + 32 * i + 16, &high, sizeof high);
  }
#undef ZIP
#undef ZIP_PAIRS
}
