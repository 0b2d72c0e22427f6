// Matrix product. Every output element is one chain of fused multiply-adds, k ascending: vectors run along n,
// nothing is summed across lanes, and a block of k continues the chain through C. Tiles, m and threads
// therefore cannot be seen in the result.

#define NR (2 * LANES)

// C[rows, 2 vectors] (+)= A[rows, k] · B[k, NR]: the register tile. `a_row` and `a_k` are A's strides, B is a
// packed panel. Only `columns` of the NR columns of C exist.
INLINE void tile(const int rows, const int vectors, ck_index k, const REAL *a, ck_index a_row, ck_index a_k,
                 const REAL *b, REAL *c, ck_index c_row, ck_index columns, int accumulate) {
  vec sums[MR][2];
  const ck_index last = columns - (vectors - 1) * LANES;
  if (accumulate) {
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) {
        sums[i][v] = v == vectors - 1 ? load_n(c + i * c_row + v * LANES, last) : load(c + i * c_row + v * LANES);
      }
    }
  } else {
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) sums[i][v] = (vec){0};
    }
  }
  for (ck_index p = 0; p < k; p++) {
    vec right[2];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) right[v] = load(b + v * LANES);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      const vec left = splat(a[i * a_row]);
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) sums[i][v] = fma_(left, right[v], sums[i][v]);
    }
    a += a_k;
    b += NR;
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      if (v == vectors - 1) store_n(c + i * c_row + v * LANES, sums[i][v], last);
      else store(c + i * c_row + v * LANES, sums[i][v]);
    }
  }
}

#define CASES_OF(CASE) \
  CASE(1) CASE(2) CASE(3) CASE(4) MORE_CASES(CASE)

// A by its two strides: attention reads probabilities in both directions without copying them.
static __attribute__((noinline)) void any_tile(int rows, ck_index k, const REAL *a, ck_index a_row, ck_index a_k,
                                               const REAL *b, REAL *c, ck_index c_row, ck_index columns,
                                               int accumulate) {
  if (columns > LANES) {
    switch (rows) {
#define CASE(R) case R: tile(R, 2, k, a, a_row, a_k, b, c, c_row, columns, accumulate); break;
      CASES_OF(CASE)
#undef CASE
    }
  } else {
    switch (rows) {
#define CASE(R) case R: tile(R, 1, k, a, a_row, a_k, b, c, c_row, columns, accumulate); break;
      CASES_OF(CASE)
#undef CASE
    }
  }
}

// A packed into a panel of MR rows.
static __attribute__((noinline)) void packed_tile(int rows, ck_index k, const REAL *a, const REAL *b, REAL *c,
                                                  ck_index c_row, ck_index columns, int accumulate) {
  if (columns == NR) {
    switch (rows) {
#define CASE(R) case R: tile(R, 2, k, a, 1, MR, b, c, c_row, NR, accumulate); break;
      CASES_OF(CASE)
#undef CASE
    }
  } else if (columns > LANES) {
    switch (rows) {
#define CASE(R) case R: tile(R, 2, k, a, 1, MR, b, c, c_row, columns, accumulate); break;
      CASES_OF(CASE)
#undef CASE
    }
  } else {
    switch (rows) {
#define CASE(R) case R: tile(R, 1, k, a, 1, MR, b, c, c_row, columns, accumulate); break;
      CASES_OF(CASE)
#undef CASE
    }
  }
}

// Transposes a LANES × LANES block held in registers: log₂ steps that swap ever larger halves.
INLINE void transpose(vec *rows) {
#define STEP(D) \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < LANES; i++) { \
    if (i & D) continue; \
    vec low = rows[i], high = rows[i + D]; \
    rows[i] = __builtin_shufflevector(low, high, LANE_LIST(LOW1, D)); \
    rows[i + D] = __builtin_shufflevector(low, high, LANE_LIST(HIGH1, D)); \
  }
  STEP(1)
#if VECTOR_BYTES * 8 / REAL_BITS >= 4
  STEP(2)
#endif
#if VECTOR_BYTES * 8 / REAL_BITS >= 8
  STEP(4)
#endif
#if VECTOR_BYTES * 8 / REAL_BITS >= 16
  STEP(8)
#endif
#undef STEP
}

// packed[p · width + i] = source[i · row + p] for i < count ≤ width, p < k; the rest of a panel is zero.
INLINE void pack_transposed(REAL *packed, ck_index width, const REAL *source, ck_index row, ck_index count,
                            ck_index k) {
  for (ck_index i = 0; i < width; i += LANES) {
    const ck_index valid = count - i < LANES ? count - i : LANES;
    const ck_index lanes = width - i < LANES ? width - i : LANES;
    for (ck_index p = 0; p < k; p += LANES) {
      const ck_index steps = k - p < LANES ? k - p : LANES;
      vec block[VECTOR_BYTES / sizeof(REAL)];
      for (ck_index lane = 0; lane < LANES; lane++) {
        block[lane] = lane < valid ? load_n(source + (i + lane) * row + p, steps) : (vec){0};
      }
      transpose(block);
      for (ck_index step = 0; step < steps; step++) store_n(packed + (p + step) * width + i, block[step], lanes);
    }
  }
}

// The same where the elements of one k lie side by side: packed[p · width + i] = source[p · row + i].
INLINE void pack_straight(REAL *packed, ck_index width, const REAL *source, ck_index row, ck_index count,
                          ck_index k) {
  for (ck_index p = 0; p < k; p++) {
    EACH_VECTOR(i, n, 0, width) {
      const ck_index valid = count - i;
      vec v = valid >= n ? load_n(source + p * row + i, n)
                         : valid > 0 ? load_partial(source + p * row + i, valid) : (vec){0};
      store_n(packed + p * width + i, v, n);
    }
  }
}

static void gemm_pack(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_gemm_pack g = *(const ck_gemm_pack *)arguments;
  (void)scratch;
  for (ck_index panel = begin; panel < end; panel++) {
    const ck_index first = panel * NR, count = g.n - first < NR ? g.n - first : NR;
    REAL *packed = (REAL *)g.packed + first * g.k;
    const REAL *source = (const REAL *)g.b + first * g.column_stride;
    if (g.column_stride == 1) pack_straight(packed, NR, source, g.row_stride, count, g.k);
    else pack_transposed(packed, NR, source, g.column_stride, count, g.k);
  }
}

INLINE void finish(const ck_epilogue *e, REAL *c, ck_index c_stride, ck_index row, ck_index column, ck_index rows,
                   ck_index columns) {
  for (ck_index i = row; i < row + rows; i++) {
    const ck_index at = i * c_stride + column;
#define LOOP(OP) \
  EACH_VECTOR(j, n, 0, columns) { \
    vec v = load_n(c + at + j, n); \
    if (e->bias) v += load_n((const REAL *)e->bias + column + j, n); \
    if (e->preactivation) store_n((REAL *)e->preactivation + at + j, v, n); \
    v = activation(OP, v); \
    if (e->residual) v += load_n((const REAL *)e->residual + at + j, n); \
    store_n(c + at + j, v, n); \
  }
    switch (e->activation) {
    case CK_ACTIVATION_NONE: LOOP(CK_ACTIVATION_NONE) break;
    case CK_RELU: LOOP(CK_RELU) break;
    case CK_GELU_TANH: LOOP(CK_GELU_TANH) break;
    case CK_GELU_ERF: LOOP(CK_GELU_ERF) break;
    case CK_TANH: LOOP(CK_TANH) break;
    case CK_SIGMOID: LOOP(CK_SIGMOID) break;
    case CK_SILU: LOOP(CK_SILU) break;
    }
#undef LOOP
  }
}

static void gemm(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_gemm g = *(const ck_gemm *)arguments;
  const ck_index panels = (g.n + NR - 1) / NR;
  const ck_index column_tiles = (panels + g.panels_per_tile - 1) / g.panels_per_tile;
  REAL *packed_a = scratch;
  ck_index packed_row = -1;
  for (ck_index unit = begin; unit < end; unit++) {
    const ck_index row = unit / column_tiles * g.rows_per_tile;
    const ck_index rows = g.m - row < g.rows_per_tile ? g.m - row : g.rows_per_tile;
    if (row != packed_row) {
      for (ck_index i = 0; i < rows; i += MR) {
        const ck_index count = rows - i < MR ? rows - i : MR;
        const REAL *source = (const REAL *)g.a + (row + i) * g.a_row_stride;
        if (g.a_row_stride == 1) pack_straight(packed_a + i * g.k, MR, source, g.a_column_stride, count, g.k);
        else pack_transposed(packed_a + i * g.k, MR, source, g.a_row_stride, count, g.k);
      }
      packed_row = row;
    }
    const ck_index first_panel = unit % column_tiles * g.panels_per_tile;
    const ck_index past = first_panel + g.panels_per_tile < panels ? first_panel + g.panels_per_tile : panels;
    for (ck_index panel = first_panel; panel < past; panel++) {
      const ck_index column = panel * NR, columns = g.n - column < NR ? g.n - column : NR;
      const REAL *b = (const REAL *)g.packed_b + column * g.k;
      for (ck_index i = 0; i < rows; i += MR) {
        const ck_index count = rows - i < MR ? rows - i : MR;
        REAL *c = (REAL *)g.c + (row + i) * g.c_stride + column;
        packed_tile((int)count, g.k, packed_a + i * g.k, b, c, g.c_stride, columns, g.accumulate);
        if (g.has_epilogue) finish(&g.epilogue, g.c, g.c_stride, row + i, column, count, columns);
      }
    }
  }
}
