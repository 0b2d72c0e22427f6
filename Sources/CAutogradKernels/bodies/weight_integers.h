// Products in integers: rows of A in blocks of 8 bits, a stored weight's quants as they are. The sum over a block is
// exact, so nothing can be seen of how it was made; the blocks' sums are scaled and added in float, k ascending.

#if VECTOR_BYTES == 64
#define INTEGER_ROWS 6
#else
#define INTEGER_ROWS 2
#endif

// sums[lane] += Σ w · x over the four bytes of a lane; the bytes of `x` have signs.
#if VNNI
// Those of `w` have none: a quant of 8 bits is taken as itself plus 128.
INLINE ivec add_products(ivec sums, uvec w, uvec x) {
  return (ivec)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)w, (__m512i)x);
}
#define UNSIGNED_BYTES 1
#elif HAS_MASKS
INLINE ivec add_products(ivec sums, uvec w, uvec x) {
  const __mmask64 negative = _mm512_movepi8_mask((__m512i)w);
  const __m512i turned = _mm512_mask_sub_epi8((__m512i)x, negative, _mm512_setzero_si512(), (__m512i)x);
  const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8((__m512i)w), turned);
  return sums + (ivec)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
}
#define UNSIGNED_BYTES 0
#elif VECTOR_BYTES == 32
INLINE ivec add_products(ivec sums, uvec w, uvec x) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8((__m256i)w), _mm256_sign_epi8((__m256i)x, (__m256i)w));
  return sums + (ivec)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
#define UNSIGNED_BYTES 0
#elif defined(__x86_64__)
INLINE ivec add_products(ivec sums, uvec w, uvec x) {
  const __m128i even_w = _mm_srai_epi16(_mm_slli_epi16((__m128i)w, 8), 8), odd_w = _mm_srai_epi16((__m128i)w, 8);
  const __m128i even_x = _mm_srai_epi16(_mm_slli_epi16((__m128i)x, 8), 8), odd_x = _mm_srai_epi16((__m128i)x, 8);
  return sums + (ivec)_mm_madd_epi16(even_w, even_x) + (ivec)_mm_madd_epi16(odd_w, odd_x);
}
#define UNSIGNED_BYTES 0
#else
INLINE ivec add_products(ivec sums, uvec w, uvec x) {
#pragma clang loop unroll(full)
  for (int j = 0; j < 4; j++) sums += ((ivec)(w << (24 - 8 * j)) >> 24) * ((ivec)(x << (24 - 8 * j)) >> 24);
  return sums;
}
#define UNSIGNED_BYTES 0
#endif

// The formats of quants, as lines of CK_WEIGHT_FORMATS. Each has `quads_NAME`: of each row of the panel four quants,
// from number 4 · `quad` of a block on; bias_NAME: what they are too large by; and whether it has least values.
#define QUANTIZED_FORMATS(FORMAT) \
  FORMAT(CK_WEIGHT_Q8_0, q8_0, 4, 2) FORMAT(CK_WEIGHT_Q4_0, q4_0, 8, 2) FORMAT(CK_WEIGHT_Q4_1, q4_1, 8, 4)

INLINE uvec quads_q8_0(const char *quants, const int quad, const int v) {
  const uvec word = words(quants + quad * WORDS, v);
  return UNSIGNED_BYTES ? word ^ 0x80808080 : word;
}

INLINE uvec quads_q4_0(const char *quants, const int quad, const int v) {
  return (words(quants + quad / 2 * WORDS, v) >> (quad % 2 * 4)) & 0x0F0F0F0F;
}

INLINE uvec quads_q4_1(const char *quants, const int quad, const int v) { return quads_q4_0(quants, quad, v); }

enum { bias_q8_0 = UNSIGNED_BYTES ? 128 : 0, bias_q4_0 = 8, bias_q4_1 = 0 };
enum { has_least_q8_0 = 0, has_least_q4_0 = 0, has_least_q4_1 = 1 };

// Four quants of a row of A, for every lane.
INLINE uvec four_quants(const ck_quants *x, const int quad) {
  uint32_t word;
  memcpy(&word, x->quants + 4 * quad, sizeof word);
  return (uvec){0} + word;
}

// `rows` rows, from `row` on, with the panel whose first column is `column`.
#define INTEGER_TILE(KIND, NAME, NUMBERS, HEAD) \
INLINE void integer_tile_##NAME(const int rows, const ck_weight_integers *g, ck_index row, ck_index column) { \
  enum { block_bytes = NR * HEAD + CK_WEIGHT_BLOCK / NUMBERS * WORDS }; \
  const ck_index blocks = g->weight.k / CK_WEIGHT_BLOCK; \
  const ck_quants *x = g->a + row * blocks; \
  const char *block = panel_of(&g->weight, column / NR); \
  vec sums[INTEGER_ROWS][2]; \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = (vec){0}; \
  for (ck_index b = 0; b < blocks; b++, x++, block += block_bytes) { \
    const char *quants = block + NR * HEAD; \
    ivec dots[INTEGER_ROWS][2]; \
    for (ck_index at = 0; at < block_bytes; at += 64) __builtin_prefetch(block + WEIGHT_AHEAD + at, 0, 2); \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
      dots[i][0] = dots[i][1] = (ivec){0} - bias_##NAME * x[i * blocks].sum; \
    } \
    _Pragma("clang loop unroll(full)") for (int quad = 0; quad < CK_WEIGHT_BLOCK / 4; quad++) { \
      const uvec w[2] = {quads_##NAME(quants, quad, 0), quads_##NAME(quants, quad, 1)}; \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
        const uvec four = four_quants(x + i * blocks, quad); \
        dots[i][0] = add_products(dots[i][0], w[0], four); \
        dots[i][1] = add_products(dots[i][1], w[1], four); \
      } \
    } \
    _Pragma("clang loop unroll(full)") for (int v = 0; v < 2; v++) { \
      const vec scale = halves(block + v * 2 * LANES); \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
        const ck_quants *q = x + i * blocks; \
        sums[i][v] = fma_(__builtin_convertvector(dots[i][v], vec), scale * splat(q->scale), sums[i][v]); \
        if (has_least_##NAME) { \
          sums[i][v] = fma_(halves(block + (2 + v) * 2 * LANES), splat(q->scaled_sum), sums[i][v]); \
        } \
      } \
    } \
  } \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
    REAL *c = (REAL *)g->c + (row + i) * g->c_stride + column; \
    _Pragma("clang loop unroll(full)") for (int v = 0; v < 2; v++) { \
      const ck_index rest = g->weight.n - column - v * LANES; \
      if (rest > 0) store_n(c + v * LANES, sums[i][v], rest < LANES ? rest : LANES); \
    } \
  } \
}
QUANTIZED_FORMATS(INTEGER_TILE)
#undef INTEGER_TILE

// The numbers of rows that there is code for.
#if INTEGER_ROWS == 6
#define INTEGER_CASES(CASE, NAME) CASE(1, NAME) CASE(2, NAME) CASE(6, NAME)
#else
#define INTEGER_CASES(CASE, NAME) CASE(1, NAME) CASE(2, NAME)
#endif

#define INTEGER_CASE(R, NAME) case R: integer_tile_##NAME(R, g, row, column); break;
#define INTEGER_PANEL(KIND, NAME, NUMBERS, HEAD) \
static __attribute__((noinline)) void integer_panel_##NAME(const ck_weight_integers *g, ck_index column) { \
  for (ck_index row = 0, rows = INTEGER_ROWS; row < g->m; row += rows) { \
    if (rows > g->m - row) rows = g->m - row > 1 ? 2 : 1; \
    switch (rows) { INTEGER_CASES(INTEGER_CASE, NAME) } \
  } \
}
QUANTIZED_FORMATS(INTEGER_PANEL)
#undef INTEGER_PANEL

static void (*const integer_panels[CK_WEIGHT_FORMAT_COUNT])(const ck_weight_integers *g, ck_index column) = {
#define FORMAT(KIND, NAME, NUMBERS, HEAD) [KIND] = integer_panel_##NAME,
  QUANTIZED_FORMATS(FORMAT)
#undef FORMAT
};

static void weight_integers(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_weight_integers g = *(const ck_weight_integers *)arguments;
  (void)scratch;
  for (ck_index panel = begin; panel < end; panel++) {
    const ck_index column = panel * NR, columns = g.weight.n - column < NR ? g.weight.n - column : NR;
    integer_panels[g.weight.format](&g, column);
    if (g.has_epilogue) finish(&g.epilogue, (REAL *)g.c, g.c_stride, 0, column, g.m, columns);
  }
}
