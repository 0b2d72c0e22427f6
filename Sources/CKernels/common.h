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

// Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), as Base.Philox.
INLINE void philox(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t *words) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}
