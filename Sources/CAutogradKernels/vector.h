// The vector vocabulary that every kernel body is written in, for one element type and one instruction set.
// Included by kernels.h with REAL (float or double), INTEGER (same width) and VECTOR_BYTES defined.

#define LANES ((ck_index)(VECTOR_BYTES / sizeof(REAL)))

typedef REAL vec __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL unaligned_vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef INTEGER ivec __attribute__((vector_size(VECTOR_BYTES)));

// A subtraction, not an addition: −0 must stay −0.
INLINE vec splat(REAL s) { return s - (vec){0}; }

INLINE vec load(const REAL *p) { return *(const unaligned_vec *)p; }

INLINE void store(REAL *p, vec v) { *(unaligned_vec *)p = v; }

// Loads n lanes, zeros elsewhere; touches nothing past them.
INLINE vec load_partial(const REAL *p, ck_index n) {
#if HAS_MASKS && REAL_BITS == 32
  return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif HAS_MASKS
  return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#else
  vec v = {0};
  for (ck_index i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}

INLINE void store_partial(REAL *p, vec v, ck_index n) {
#if HAS_MASKS && REAL_BITS == 32
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif HAS_MASKS
  _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#else
  for (ck_index i = 0; i < n; i++) p[i] = v[i];
#endif
}

// The first n lanes, n ≤ LANES: the same code serves whole vectors and tails.
INLINE vec load_n(const REAL *p, ck_index n) { return LIKELY(n == LANES) ? load(p) : load_partial(p, n); }

INLINE void store_n(REAL *p, vec v, ck_index n) {
  if (LIKELY(n == LANES)) store(p, v);
  else store_partial(p, v, n);
}

// Steps i over [begin, end) by vectors; n is the number of lanes that count.
#define EACH_VECTOR(i, n, begin, end) \
  for (ck_index i = (begin), n; i < (end) && (n = (end) - i < LANES ? (end) - i : LANES, 1); i += LANES)

INLINE vec fma_(vec a, vec b, vec c) {
#if HAS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

INLINE vec select(ivec mask, vec a, vec b) { return (vec)(((ivec)a & mask) | ((ivec)b & ~mask)); }

// The larger one; where x is NaN, m.
INLINE vec larger(vec x, vec m) { return select(x > m, x, m); }

/// The library function would set errno, which keeps it from becoming one instruction.
INLINE vec square_root(vec x) { return __builtin_elementwise_sqrt(x); }

INLINE vec absolute(vec x) { return (vec)((ivec)x & INTEGER_MAX); }

// All lanes before n true.
INLINE ivec lanes_before(ck_index n) {
  ivec lane;
  for (int i = 0; i < LANES; i++) lane[i] = i;
  return lane < (INTEGER)n;
}

// Takes pairs apart: the first numbers of those in `low` and `high`, which follow each other, and the second ones.
INLINE void take_apart(vec low, vec high, vec *first, vec *second) {
  *first = __builtin_shufflevector(low, high, LANE_LIST(EVERY_SECOND, 0));
  *second = __builtin_shufflevector(low, high, LANE_LIST(EVERY_SECOND, 1));
}

// The other way round.
INLINE void put_together(vec first, vec second, vec *low, vec *high) {
  *low = __builtin_shufflevector(first, second, LANE_LIST(IN_TURNS, 0));
  *high = __builtin_shufflevector(first, second, LANE_LIST(IN_TURNS, 1));
}

// Sums lanes in a fixed tree: halves onto halves.
INLINE REAL sum_lanes(vec v) {
  REAL t[VECTOR_BYTES / sizeof(REAL)];
  store(t, v);
  for (ck_index half = LANES / 2; half > 0; half /= 2) {
    for (ck_index i = 0; i < half; i++) t[i] += t[i + half];
  }
  return t[0];
}

INLINE REAL max_lanes(vec v) {
  REAL t[VECTOR_BYTES / sizeof(REAL)];
  store(t, v);
  for (ck_index half = LANES / 2; half > 0; half /= 2) {
    for (ck_index i = 0; i < half; i++) t[i] = t[i + half] > t[i] ? t[i + half] : t[i];
  }
  return t[0];
}
