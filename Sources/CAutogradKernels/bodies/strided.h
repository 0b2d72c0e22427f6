// Broadcasting, transposing and summing over axes: strided loops whose last axis is the inner one.

// The offset of row `row`, counting over all axes but the last.
INLINE ck_index row_offset(ck_index row, int rank, const ck_index *shape, const ck_index *strides) {
  ck_index offset = 0;
  for (int axis = rank - 2; axis >= 0; axis--) {
    offset += row % shape[axis] * strides[axis];
    row /= shape[axis];
  }
  return offset;
}

// The lanes of an axis: contiguous, repeated or strided.
INLINE vec load_strided(const REAL *p, ck_index i, ck_index stride, ck_index n) {
  if (stride == 1) return load_n(p + i, n);
  if (stride == 0) return splat(*p);
  vec v = {0};
  for (ck_index lane = 0; lane < n; lane++) v[lane] = p[(i + lane) * stride];
  return v;
}

INLINE vec combine(ck_binary_op op, vec a, vec b) {
  switch (op) {
  case CK_ADD: return a + b;
  case CK_SUBTRACT: return a - b;
  case CK_MULTIPLY: return a * b;
  case CK_DIVIDE: return a / b;
  case CK_NEGATED_PRODUCT: return -(a * b);
  case CK_POWER: return power_(a, b);
  case CK_POWER_BASE_SLOPE: return select(b == splat(0), splat(0), b * power_(a, b - 1));
  case CK_POWER_EXPONENT_SLOPE:
    return select((a == splat(0)) & (b >= splat(0)), splat(0), power_(a, b) * log_(a));
  case CK_LESS: return select(a < b, splat(1), splat(0));
  case CK_LESS_EQUAL: return select(a <= b, splat(1), splat(0));
  case CK_EQUAL: return select(a == b, splat(1), splat(0));
  case CK_NOT_EQUAL: return select(a != b, splat(1), splat(0));
  case CK_KEEP_WHERE: return select(a != splat(0), b, splat(-(REAL)0));
  case CK_KEEP_UNLESS: return select(a != splat(0), splat(-(REAL)0), b);
  }
  return a;
}

INLINE void binary_row(ck_binary_op op, int accumulate, REAL *y, const REAL *a, ck_index a_stride,
                       const REAL *b, ck_index b_stride, ck_index begin, ck_index end) {
#define LOOP(OP) \
  case OP: \
    EACH_VECTOR(i, n, begin, end) { \
      vec v = combine(OP, load_strided(a, i, a_stride, n), load_strided(b, i, b_stride, n)); \
      store_n(y + i, accumulate ? load_n(y + i, n) + v : v, n); \
    } \
    break;
  switch (op) {
    LOOP(CK_ADD) LOOP(CK_SUBTRACT) LOOP(CK_MULTIPLY) LOOP(CK_DIVIDE) LOOP(CK_NEGATED_PRODUCT)
    LOOP(CK_POWER) LOOP(CK_POWER_BASE_SLOPE) LOOP(CK_POWER_EXPONENT_SLOPE)
    LOOP(CK_LESS) LOOP(CK_LESS_EQUAL) LOOP(CK_EQUAL) LOOP(CK_NOT_EQUAL)
    LOOP(CK_KEEP_WHERE) LOOP(CK_KEEP_UNLESS)
  }
#undef LOOP
}

static void binary(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_binary *g = arguments;
  const int last = g->rank - 1;
  REAL *y = g->y;
  const REAL *a = g->a, *b = g->b;
  (void)scratch;
  if (g->rank == 1) {
    binary_row(g->op, g->accumulate, y, a, g->a_strides[0], b, g->b_strides[0], begin, end);
    return;
  }
  const ck_index columns = g->shape[last];
  for (ck_index row = begin; row < end; row++) {
    binary_row(g->op, g->accumulate, y + row * columns,
               a + row_offset(row, g->rank, g->shape, g->a_strides), g->a_strides[last],
               b + row_offset(row, g->rank, g->shape, g->b_strides), g->b_strides[last], 0, columns);
  }
}

static void strided_copy(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_strided_copy *g = arguments;
  const int last = g->rank - 1;
  const ck_index columns = g->shape[last], stride = g->x_strides[last];
  const vec scale = splat((REAL)g->scale);
  const int whole = g->rank == 1;
  (void)scratch;
  for (ck_index row = whole ? 0 : begin; row < (whole ? 1 : end); row++) {
    REAL *y = (REAL *)g->y + (whole ? 0 : row * columns);
    const REAL *x = (const REAL *)g->x + (whole ? 0 : row_offset(row, g->rank, g->shape, g->x_strides));
    EACH_VECTOR(i, n, whole ? begin : 0, whole ? end : columns) {
      vec v = scale * load_strided(x, i, stride, n);
      store_n(y + i, g->accumulate ? load_n(y + i, n) + v : v, n);
    }
  }
}

static void strided_write(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_strided_write *g = arguments;
  const int last = g->rank - 1;
  const ck_index columns = g->shape[last], stride = g->y_strides[last];
  const int whole = g->rank == 1;
  (void)scratch;
  for (ck_index row = whole ? 0 : begin; row < (whole ? 1 : end); row++) {
    const REAL *x = (const REAL *)g->x + (whole ? 0 : row * columns);
    REAL *y = (REAL *)g->y + (whole ? 0 : row_offset(row, g->rank, g->shape, g->y_strides));
    const ck_index first = whole ? begin : 0, past = whole ? end : columns;
    if (stride == 1) {
      EACH_VECTOR(i, n, first, past) {
        vec v = load_n(x + i, n);
        store_n(y + i, g->accumulate ? load_n(y + i, n) + v : v, n);
      }
    } else {
      for (ck_index i = first; i < past; i++) y[i * stride] = g->accumulate ? y[i * stride] + x[i] : x[i];
    }
  }
}

// The offset of a position counted over all `rank` axes.
INLINE ck_index term_offset(ck_index term, int rank, const ck_index *shape, const ck_index *strides) {
  ck_index offset = 0;
  for (int axis = rank - 1; axis > 0; axis--) {
    offset += term % shape[axis] * strides[axis];
    term /= shape[axis];
  }
  return rank > 0 ? offset + term * strides[0] : 0;
}

// Adds up the terms of one output block: `n` contiguous columns at x, over all reduced axes.
INLINE vec sum_columns(const ck_sum *g, const REAL *x, ck_index terms, ck_index n) {
  total t = {0};
  for (ck_index term = 0; term < terms; term++) {
    add_to(&t, load_n(x + term_offset(term, g->reduced_rank, g->reduced_shape, g->reduced_strides), n));
  }
  return totals_of_lanes(&t, g->scale, g->divisor);
}

static double sum_last_axis(const ck_sum *g, const REAL *x) {
  const int last = g->reduced_rank - 1;
  const ck_index columns = g->reduced_shape[last], stride = g->reduced_strides[last];
  ck_index rows = 1;
  for (int axis = 0; axis < last; axis++) rows *= g->reduced_shape[axis];
  total t = {0};
  for (ck_index row = 0; row < rows; row++) {
    const REAL *from = x + row_offset(row, g->reduced_rank, g->reduced_shape, g->reduced_strides);
    EACH_VECTOR(i, n, 0, columns) {
      const vec v = load_strided(from, i, stride, n);
      // A repeated element fills all lanes.
      add_to(&t, stride == 0 && n < LANES ? select(lanes_before(n), v, splat(0)) : v);
    }
  }
  return total_of(&t);
}

static void sum(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_sum *g = arguments;
  const ck_index blocks = (g->inner + 63) / 64;
  ck_index terms = 1;
  for (int axis = 0; axis < g->reduced_rank; axis++) terms *= g->reduced_shape[axis];
  (void)scratch;
  for (ck_index unit = begin; unit < end; unit++) {
    const ck_index row = unit / blocks, first = unit % blocks * 64;
    // The kept axes end in a row of one element, so that row_offset counts all of them.
    const REAL *x = (const REAL *)g->x + row_offset(row, g->kept_rank + 1, g->kept_shape, g->kept_strides);
    REAL *y = (REAL *)g->y + row * g->inner;
    if (g->inner == 1) {
      const REAL v = (REAL)(g->scale * sum_last_axis(g, x) / g->divisor);
      y[0] = g->accumulate ? y[0] + v : v;
      continue;
    }
    const ck_index past = first + 64 < g->inner ? first + 64 : g->inner;
    EACH_VECTOR(i, n, first, past) {
      const vec v = sum_columns(g, x + i, terms, n);
      store_n(y + i, g->accumulate ? load_n(y + i, n) + v : v, n);
    }
  }
}
