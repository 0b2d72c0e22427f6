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

// Each of CK_QUANTIZED_FORMATS has `quads_NAME`: of each row of the panel four quants, from number 4 · `quad` of a part
// on; bias_NAME: what they are too large by; unit_NAME: what one of them counts; and whether it has least values.
INLINE uvec quads_q8_0(const char *quants, const int quad, const int v) {
  const uvec word = words(quants + quad * WORDS, v);
  return UNSIGNED_BYTES ? word ^ 0x80808080 : word;
}

INLINE uvec quads_q4_0(const char *quants, const int quad, const int v) {
  return (words(quants + quad / 2 * WORDS, v) >> (quad % 2 * 4)) & 0x0F0F0F0F;
}

#define quads_q4_1 quads_q4_0
#define quads_q4_K quads_q4_0

#define quads_q5_0 bytes_of_five
#define quads_q5_1 bytes_of_five
#define quads_q5_K bytes_of_five

INLINE uvec quads_q6_K(const char *quants, const int quad, const int v) {
  return UNSIGNED_BYTES ? bytes_q6_K(quants, quad, v) ^ 0x80808080 : bytes_q6_K(quants, quad, v);
}

enum { bias_of_bytes = UNSIGNED_BYTES ? 128 : 0 };
enum {
  bias_q8_0 = bias_of_bytes, bias_q4_0 = 8, bias_q4_1 = 0, bias_q5_0 = 16, bias_q5_1 = 0, bias_q4_K = 0,
  bias_q5_K = 0, bias_q6_K = bias_of_bytes,
};
enum {
  has_least_q8_0 = 0, has_least_q4_0 = 0, has_least_q4_1 = 1, has_least_q5_0 = 0, has_least_q5_1 = 1,
  has_least_q4_K = 1, has_least_q5_K = 1, has_least_q6_K = 0,
};
#define unit_q8_0 1
#define unit_q4_0 1
#define unit_q4_1 1
#define unit_q5_0 1
#define unit_q5_1 1
#define unit_q4_K 1
#define unit_q5_K 1
#define unit_q6_K 0.25f

// Four quants of a row of A, for every lane.
INLINE uvec four_quants(const ck_quants *x, const int quad) {
  uint32_t word;
  memcpy(&word, x->quants + 4 * quad, sizeof word);
  return (uvec){0} + word;
}

// The sum of the quants that a part meets: half of a block of A, or all of it.
INLINE int32_t sum_of_part(const ck_quants *x, const int numbers, const int half) {
  return numbers < CK_WEIGHT_BLOCK ? x->sums[half] : x->sums[0] + x->sums[1];
}

// `rows` rows, from `row` on, with the panel whose first column is `column`.
#define INTEGER_TILE(KIND, NAME, ...) \
INLINE void integer_tile_##NAME(const int rows, const ck_weight_integers *g, ck_index row, ck_index column) { \
  enum { \
    parts = block_of_##NAME / part_of_##NAME, per_x = CK_WEIGHT_BLOCK / part_of_##NAME, \
    share = bytes_of_##NAME / parts, quant_bytes = (bytes_of_##NAME - NR * head_of_##NAME) / parts, \
  }; \
  const ck_index blocks = g->weight.k / CK_WEIGHT_BLOCK; \
  const ck_quants *x = g->a + row * blocks; \
  const char *block = panel_of(&g->weight, column / NR); \
  vec sums[INTEGER_ROWS][2]; \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = (vec){0}; \
  for (ck_index k = 0; k < g->weight.k; k += block_of_##NAME, block += bytes_of_##NAME) { \
    const char *quants = block + NR * head_of_##NAME; \
    for (int part = 0; part < parts; part++, quants += quant_bytes) { \
      const ck_quants *q = x + part / per_x; \
      const int half = part % per_x; \
      ivec dots[INTEGER_ROWS][2]; \
      for (ck_index at = 0; at < share; at += 64) { \
        __builtin_prefetch(block + part * share + WEIGHT_AHEAD + at, 0, 2); \
      } \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
        dots[i][0] = dots[i][1] = (ivec){0} - bias_##NAME * sum_of_part(q + i * blocks, part_of_##NAME, half); \
      } \
      _Pragma("clang loop unroll(full)") for (int quad = 0; quad < part_of_##NAME / 4; quad++) { \
        const uvec w[2] = {quads_##NAME(quants, quad, 0), quads_##NAME(quants, quad, 1)}; \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
          const uvec four = four_quants(q + i * blocks, half * (part_of_##NAME / 4) + quad); \
          dots[i][0] = add_products(dots[i][0], w[0], four); \
          dots[i][1] = add_products(dots[i][1], w[1], four); \
        } \
      } \
      _Pragma("clang loop unroll(full)") for (int v = 0; v < 2; v++) { \
        const head h = scales_##NAME(block, part, v); \
        const vec scale = h.scale * splat(unit_##NAME); \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
          const vec dot = __builtin_convertvector(dots[i][v], vec); \
          sums[i][v] = fma_(dot, scale * splat(q[i * blocks].scale), sums[i][v]); \
          if (has_least_##NAME) sums[i][v] = fma_(h.least, splat(q[i * blocks].scaled_sum), sums[i][v]); \
        } \
      } \
    } \
    x += block_of_##NAME / CK_WEIGHT_BLOCK; \
  } \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
    REAL *c = (REAL *)g->c + (row + i) * g->c_stride + column; \
    _Pragma("clang loop unroll(full)") for (int v = 0; v < 2; v++) { \
      const ck_index rest = g->weight.n - column - v * LANES; \
      if (rest > 0) store_n(c + v * LANES, sums[i][v], rest < LANES ? rest : LANES); \
    } \
  } \
}
CK_QUANTIZED_FORMATS(INTEGER_TILE)
#undef INTEGER_TILE

// The numbers of rows that there is code for.
#if INTEGER_ROWS == 6
#define INTEGER_CASES(CASE, NAME) CASE(1, NAME) CASE(2, NAME) CASE(6, NAME)
#else
#define INTEGER_CASES(CASE, NAME) CASE(1, NAME) CASE(2, NAME)
#endif

#define INTEGER_CASE(R, NAME) case R: integer_tile_##NAME(R, g, row, column); break;
#define INTEGER_PANEL(KIND, NAME, ...) \
static __attribute__((noinline)) void integer_panel_##NAME(const ck_weight_integers *g, ck_index column) { \
  for (ck_index row = 0, rows = INTEGER_ROWS; row < g->m; row += rows) { \
    if (rows > g->m - row) rows = g->m - row > 1 ? 2 : 1; \
    switch (rows) { INTEGER_CASES(INTEGER_CASE, NAME) } \
  } \
}
CK_QUANTIZED_FORMATS(INTEGER_PANEL)
#undef INTEGER_PANEL

static void (*const integer_panels[CK_WEIGHT_FORMAT_COUNT])(const ck_weight_integers *g, ck_index column) = {
#define FORMAT(KIND, NAME, ...) [KIND] = integer_panel_##NAME,
  CK_QUANTIZED_FORMATS(FORMAT)
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
