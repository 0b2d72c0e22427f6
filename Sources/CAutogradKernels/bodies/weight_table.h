// What products with stored weights need beside them: rows of A in 8 bits; and embeddings. Part of kernels.h.

INLINE REAL lane_of(vec v, ck_index lane) {
  REAL lanes[VECTOR_BYTES / sizeof(REAL)];
  store(lanes, v);
  return lanes[lane];
}

// A panel's numbers along k, in one of its rows.
#define COLUMN(KIND, NAME, ...) \
static void column_##NAME(REAL *y, const char *block, ck_index column, ck_index k) { \
  enum { parts = block_of_##NAME / part_of_##NAME, taken = group_of_##NAME }; \
  const int v = (int)(column / LANES); \
  for (; k > 0; block += bytes_of_##NAME) { \
    const char *group = block + NR * head_of_##NAME; \
    for (int part = 0; part < parts; part++, k -= part_of_##NAME) { \
      const head h = head_##NAME(block, part, v); \
      for (ck_index at = 0; at < part_of_##NAME && at < k; at += taken, group += group_bytes_of_##NAME) { \
        _Pragma("clang loop unroll(full)") for (int j = 0; j < taken; j++) { \
          if (at + j < k) *y++ = lane_of(step_##NAME(group, j, v, h, taken), column % LANES); \
        } \
      } \
    } \
  } \
}
CK_WEIGHT_FORMATS(COLUMN)
#undef COLUMN

static void (*const columns_of[])(REAL *y, const char *block, ck_index column, ck_index k) = {
#define FORMAT(KIND, NAME, ...) column_##NAME,
  CK_WEIGHT_FORMATS(FORMAT)
#undef FORMAT
};

static void weight_embedding(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_weight_embedding g = *(const ck_weight_embedding *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    const ck_index token = g.tokens[row];
    REAL *y = (REAL *)g.y + row * g.weight.k;
    columns_of[g.weight.format](y, panel_of(&g.weight, token / NR), token % NR, g.weight.k);
  }
}

// The largest magnitude of a block: that of a NaN where there is one.
INLINE REAL largest_of_block(const REAL *x) {
  INTEGER largest = 0;
  for (int i = 0; i < CK_WEIGHT_BLOCK; i++) {
    INTEGER bits;
    memcpy(&bits, x + i, sizeof bits);
    bits &= INTEGER_MAX;
    largest = bits > largest ? bits : largest;
  }
  REAL result;
  memcpy(&result, &largest, sizeof result);
  return result;
}

// A scale with 11 significant bits, the nearest, ties to even: what half precision would keep of it, at any size. ggml
// keeps scales so; numbers that differ by as little as this does come apart from layer to layer.
INLINE REAL rounded_scale(REAL scale) {
  uint32_t bits;
  memcpy(&bits, &scale, sizeof bits);
  bits = (bits + 0xFFF + ((bits >> 13) & 1)) & ~UINT32_C(0x1FFF);
  memcpy(&scale, &bits, sizeof bits);
  return scale;
}

static void quantize(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_quantize g = *(const ck_quantize *)arguments;
  const ck_index blocks = g.k / CK_WEIGHT_BLOCK;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    const REAL *x = (const REAL *)g.x + row * g.x_stride;
    for (ck_index b = 0; b < blocks; b++, x += CK_WEIGHT_BLOCK) {
      ck_quants *q = g.y + row * blocks + b;
      const REAL largest = largest_of_block(x);
      // What is too small for an inverse counts as nothing.
      const REAL inverse = largest > 0x1p-100f ? 127 / largest : 0;
      q->sums[0] = q->sums[1] = 0;
      for (int i = 0; i < CK_WEIGHT_BLOCK; i++) {
        // Adding this constant rounds to the nearest integer, ties to even, and leaves it in the lowest bits.
        const REAL shifted = x[i] * inverse + 0x1.8p23f;
        int32_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        q->quants[i] = (int8_t)bits;
        q->sums[i / (CK_WEIGHT_BLOCK / 2)] += q->quants[i];
      }
      q->scale = rounded_scale(largest / 127);
      q->scaled_sum = q->scale * (REAL)(q->sums[0] + q->sums[1]);
    }
  }
}
