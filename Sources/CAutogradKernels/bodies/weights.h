// Products of few rows with a stored weight: a panel is read once, its numbers made in registers, and every element is
// one chain of multiply-adds, k ascending: that of gemm.h. Rows of a stored weight, for embeddings.

// Rows that go through a panel together, and panels that few rows read together: as many chains as hide the latency of
// the multiply-adds, in the registers that there are.
#if VECTOR_BYTES == 64
#define FEW_ROWS 8
#define PANELS_OF(rows) ((rows) == 1 ? 4 : (rows) == 2 ? 2 : 1)
#else
#define FEW_ROWS 4
#define PANELS_OF(rows) ((rows) == 1 ? 2 : 1)
#endif
#define MOST_PANELS 4

typedef vec few_sums[FEW_ROWS][MOST_PANELS][2];
typedef head few_heads[MOST_PANELS][2];

// Adds A times a group of numbers of each panel, of which `rest` exist.
#define ADD_GROUP(KIND, NAME, ...) \
INLINE void add_step_##NAME(few_sums sums, const int rows, const int panels, const REAL *a, ck_index a_row, \
                            const char *group, const int j, ck_index panel_bytes, const few_heads h, ck_index rest) { \
  vec left[FEW_ROWS]; \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) left[i] = splat_step(a + i * a_row); \
  _Pragma("clang loop unroll(full)") for (int p = 0; p < panels; p++) { \
    _Pragma("clang loop unroll(full)") for (int v = 0; v < 2; v++) { \
      const vec right = step_##NAME(group + p * panel_bytes, j, v, h[p][v], rest); \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
        sums[i][p][v] = multiply_add(left[i], right, sums[i][p][v]); \
      } \
    } \
  } \
} \
INLINE void add_group_##NAME(few_sums sums, const int rows, const int panels, const REAL *a, ck_index a_row, \
                             ck_index a_k, const char *group, ck_index panel_bytes, const few_heads h, \
                             ck_index rest) { \
  _Pragma("clang loop unroll(full)") for (int j = 0; j < group_of_##NAME; j += STEP) { \
    if (j < rest) add_step_##NAME(sums, rows, panels, a + j / STEP * a_k, a_row, group, j, panel_bytes, h, rest); \
  } \
}
CK_WEIGHT_FORMATS(ADD_GROUP)
#undef ADD_GROUP

// Asks for a group of each panel, `ahead` bytes behind this one.
INLINE void ask_for_group(const char *group, ck_index bytes, const int panels, ck_index panel_bytes, ck_index ahead) {
#pragma clang loop unroll(full)
  for (int p = 0; p < panels; p++) {
    for (ck_index at = 0; at < bytes; at += 64) __builtin_prefetch(group + p * panel_bytes + ahead + at, 0, 2);
  }
}

// Products of `rows` rows of A with `panels` neighbouring panels, from the column `column` of C on.
#define FEW_TILE(KIND, NAME, ...) \
INLINE void few_tile_##NAME(const int rows, const int panels, const ck_weight_rows *g, ck_index row, \
                            ck_index column) { \
  enum { \
    parts = block_of_##NAME / part_of_##NAME, taken = group_of_##NAME, group_bytes = group_bytes_of_##NAME, \
  }; \
  const ck_index a_row = g->a_row, a_k = g->a_k, panel_bytes = g->weight.panel_bytes; \
  const REAL *a = (const REAL *)g->a + row * a_row; \
  const char *block = panel_of(&g->weight, column / NR), *past = block + panel_bytes; \
  few_sums sums; \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
    _Pragma("clang loop unroll(full)") for (int p = 0; p < panels; p++) sums[i][p][0] = sums[i][p][1] = (vec){0}; \
  } \
  for (ck_index k = g->weight.k; k > 0;) { \
    const char *group = block + NR * head_of_##NAME; \
    /* Behind the end of the panels that are read together lie the next ones. */ \
    const ck_index ahead = block + WEIGHT_AHEAD < past ? WEIGHT_AHEAD : WEIGHT_AHEAD + (panels - 1) * panel_bytes; \
    if (parts > 1) ask_for_group(block, NR * head_of_##NAME, panels, panel_bytes, ahead); \
    for (int part = 0; part < parts; part++, k -= part_of_##NAME) { \
      few_heads h; \
      _Pragma("clang loop unroll(full)") for (int p = 0; p < panels; p++) { \
        h[p][0] = head_##NAME(block + p * panel_bytes, part, 0); \
        h[p][1] = head_##NAME(block + p * panel_bytes, part, 1); \
      } \
      const ck_index count = k < part_of_##NAME ? k : part_of_##NAME; \
      ck_index first = 0; \
      for (; first + taken <= count; first += taken) { \
        ask_for_group(group, group_bytes, panels, panel_bytes, ahead); \
        add_group_##NAME(sums, rows, panels, a, a_row, a_k, group, panel_bytes, h, taken); \
        a += taken / STEP * a_k; \
        group += group_bytes; \
      } \
      if (first < count) add_group_##NAME(sums, rows, panels, a, a_row, a_k, group, panel_bytes, h, count - first); \
    } \
    block = group; \
  } \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { \
    REAL *c = (REAL *)g->c + (row + i) * g->c_stride + column; \
    _Pragma("clang loop unroll(full)") for (int p = 0; p < panels; p++) { \
      _Pragma("clang loop unroll(full)") for (int v = 0; v < 2; v++) { \
        const ck_index at = p * NR + v * LANES, rest = g->weight.n - column - at; \
        if (rest > 0) store_n(c + at, sums[i][p][v], rest < LANES ? rest : LANES); \
      } \
    } \
  } \
}
CK_WEIGHT_FORMATS(FEW_TILE)
#undef FEW_TILE

// The numbers of rows that there is code for: others are put together from these.
#if FEW_ROWS == 8
#define FEW_CASES(CASE, NAME) CASE(1, NAME) CASE(2, NAME) CASE(4, NAME) CASE(8, NAME)
#else
#define FEW_CASES(CASE, NAME) CASE(1, NAME) CASE(2, NAME) CASE(4, NAME)
#endif

// The rows from `row` on, `rows` of them, with the panels [begin, end).
#define FEW_CASE(R, NAME) \
  case R: \
    for (; begin + PANELS_OF(R) <= end; begin += PANELS_OF(R)) few_tile_##NAME(R, PANELS_OF(R), g, row, begin * NR); \
    if (PANELS_OF(R) > 1) for (; begin < end; begin++) few_tile_##NAME(R, 1, g, row, begin * NR); \
    break;
#define FEW_PANELS(KIND, NAME, ...) \
static __attribute__((noinline)) void few_panels_##NAME(const ck_weight_rows *g, ck_index row, ck_index rows, \
                                                        ck_index begin, ck_index end) { \
  switch (rows) { FEW_CASES(FEW_CASE, NAME) } \
}
CK_WEIGHT_FORMATS(FEW_PANELS)
#undef FEW_PANELS

typedef void (*few_panels)(const ck_weight_rows *g, ck_index row, ck_index rows, ck_index begin, ck_index end);

static const few_panels few_panels_of[] = {
#define FORMAT(KIND, NAME, ...) few_panels_##NAME,
  CK_WEIGHT_FORMATS(FORMAT)
#undef FORMAT
};

static void weight_rows(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_weight_rows g = *(const ck_weight_rows *)arguments;
  const few_panels multiply = few_panels_of[g.weight.format];
  // Panels that stay in the first-level cache until all rows have met them.
  const ck_index together = PANELS_OF(1);
  (void)scratch;
  for (ck_index panel = begin; panel < end; panel += together) {
    const ck_index past = panel + together < end ? panel + together : end, column = panel * NR;
    const ck_index columns = (past * NR < g.weight.n ? past * NR : g.weight.n) - column;
    if (g.has_epilogue) ask_for(&g.epilogue, g.c_stride, 0, column, g.m, columns);
    for (ck_index row = 0, rows = FEW_ROWS; row < g.m; row += rows) {
      while (rows > g.m - row) rows /= 2;
      multiply(&g, row, rows, panel, past);
    }
    if (g.has_epilogue) finish(&g.epilogue, (REAL *)g.c, g.c_stride, 0, column, g.m, columns);
  }
}
