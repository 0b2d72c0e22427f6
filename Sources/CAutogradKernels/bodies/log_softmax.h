// Logarithms of sums of exponentials, over rows. Largest elements are subtracted first; a row of −∞ stays −∞.

// Σ exp(x − shift), lanes in order.
INLINE REAL exp_total(const REAL *x, ck_index columns, REAL shift) {
  vec total = {0};
  EACH_VECTOR(i, n, 0, columns) {
    vec v = exp_full(load_n(x + i, n) - splat(shift));
    if (n < LANES) v = select(lanes_before(n), v, splat(0));
    total += v;
  }
  return sum_lanes(total);
}

static void log_softmax(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_log_softmax g = *(const ck_log_softmax *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *y = (REAL *)g.y + row * g.columns;
    const REAL *x = (const REAL *)g.x + row * g.columns;
    const REAL shift = max_row(x, g.columns, 1), total = exp_total(x, g.columns, shift);
    const vec logarithm = splat(total == 0 ? 0 : (REAL)LOG_SCALAR((double)total));
    EACH_VECTOR(i, n, 0, g.columns) store_n(y + i, load_n(x + i, n) - splat(shift) - logarithm, n);
  }
}

static void log_softmax_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_log_softmax_backward g = *(const ck_log_softmax_backward *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *dx = (REAL *)g.dx + row * g.columns;
    const REAL *dy = (const REAL *)g.dy + row * g.columns, *y = (const REAL *)g.y + row * g.columns;
    const vec total = splat(sum_run(dy, g.columns, 1));
    EACH_VECTOR(i, n, 0, g.columns) {
      vec d = load_n(dy + i, n) - exp_full(load_n(y + i, n)) * total;
      store_n(dx + i, g.accumulate ? load_n(dx + i, n) + d : d, n);
    }
  }
}

static void log_sum_exp(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_log_sum_exp g = *(const ck_log_sum_exp *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    const REAL *x = (const REAL *)g.x + row * g.columns;
    const REAL largest = max_row(x, g.columns, 1), shift = largest > -(REAL)LOWEST ? 0 : largest;
    ((REAL *)g.y)[row] = shift + (REAL)LOG_SCALAR((double)exp_total(x, g.columns, shift));
  }
}

static void log_sum_exp_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_log_sum_exp_backward g = *(const ck_log_sum_exp_backward *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *dx = (REAL *)g.dx + row * g.columns;
    const REAL *x = (const REAL *)g.x + row * g.columns, y = ((const REAL *)g.y)[row];
    const vec shift = splat(y < (REAL)LOWEST ? 0 : y), dy = splat(((const REAL *)g.dy)[row]);
    EACH_VECTOR(i, n, 0, g.columns) {
      vec d = exp_full(load_n(x + i, n) - shift) * dy;
      store_n(dx + i, g.accumulate ? load_n(dx + i, n) + d : d, n);
    }
  }
}
