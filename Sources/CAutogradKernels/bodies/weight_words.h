// The words and heads of a stored weight's panels, as vectors. The layout is told in CAutogradKernelsWeights.h.

#ifndef NR
#define NR (2 * LANES)
#endif

typedef uint32_t uvec __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t unaligned_uvec __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef uint16_t hvec __attribute__((vector_size(VECTOR_BYTES / 2)));

// A row of words: one for each row of the panel.
#define WORDS (NR * 4)

INLINE const char *panel_of(const ck_weight *w, ck_index panel) {
  return (const char *)w->panels + panel * w->panel_bytes;
}

INLINE uvec words(const char *p, const int v) { return *(const unaligned_uvec *)(p + v * VECTOR_BYTES); }

// How far ahead of its words a panel is asked for, in bytes: into the second-level cache, which can wait for more lines at
// a time than the first.
#define WEIGHT_AHEAD 6144

// Half precision in the low bits of words; it is finite. The exponents' difference is multiplied in: exact.
INLINE vec half_numbers(uvec bits) {
  const vec magnitude = (vec)((bits & 0x7FFF) << 13) * splat(0x1p112f);
  return (vec)((uvec)magnitude | (bits & 0x8000) << 16);
}

// LANES numbers in half precision, side by side.
INLINE vec halves(const char *p) {
#if HAS_MASKS
  return (vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#else
  hvec bits;
  memcpy(&bits, p, sizeof bits);
  return half_numbers(__builtin_convertvector(bits, uvec));
#endif
}
