// Logarithms of sums of exponentials, over rows. Largest elements are subtracted first; a row of −∞ stays −∞.

// Σ exp(x − shift)
INLINE double exp_total(const REAL *x, ck_index columns, REAL shift) {
  total t = {0};
  vec block = {0};
  EACH_RUN(t, block, columns, {
    vec v = exp_full(load_n(x + i, n) - splat(shift));
    if (n < LANES) v = select(lanes_before(n), v, splat(0));
    block += v;
  });
  return total_of_runs(&t, block, columns);
}

static void log_softmax(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_log_softmax g = *(const ck_log_softmax *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *y = (REAL *)g.y + row * g.columns;
    const REAL *x = (const REAL *)g.x + row * g.columns;
    const REAL shift = max_row(x, g.columns, 1);
    const double sum = exp_total(x, g.columns, shift);
    const vec logarithm = splat(sum == 0 ? 0 : (REAL)LOG_SCALAR(sum));
    EACH_VECTOR(i, n, 0, g.columns) store_n(y + i, load_n(x + i, n) - splat(shift) - logarithm, n);
  }
}

static void log_softmax_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_log_softmax_backward g = *(const ck_log_softmax_backward *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *dx = (REAL *)g.dx + row * g.columns;
    const REAL *dy = (const REAL *)g.dy + row * g.columns, *y = (const REAL *)g.y + row * g.columns;
    const vec sum = splat(sum_row(dy, g.columns));
    EACH_VECTOR(i, n, 0, g.columns) {
      vec d = load_n(dy + i, n) - exp_full(load_n(y + i, n)) * sum;
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
    ((REAL *)g.y)[row] = shift + (REAL)LOG_SCALAR(exp_total(x, g.columns, shift));
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
