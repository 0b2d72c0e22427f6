// What a softmax of scale · x needs of one row.

// exp(scale · x − shift) into y; returns the sum of it. No exponent is above 0.
INLINE REAL exp_row(REAL *y, const REAL *x, ck_index columns, REAL scale, REAL shift) {
  total t = {0};
  vec block = {0};
  EACH_RUN(t, block, columns, {
    vec v = exp_falling(load_n(x + i, n) * scale - splat(shift));
    if (n < LANES) v = select(lanes_before(n), v, splat(0));
    store_n(y + i, v, n);
    block += v;
  });
  return (REAL)total_of_runs(&t, block, columns);
}

// The largest scale · x; NaN is passed over (the exponentials carry it on). A row of −∞ yields the lowest number.
INLINE REAL max_row(const REAL *x, ck_index columns, REAL scale) {
  vec m = splat((REAL)LOWEST);
  EACH_VECTOR(i, n, 0, columns) {
    vec v = load_n(x + i, n) * scale;
    if (n < LANES) v = select(lanes_before(n), v, m);
    m = larger(v, m);
  }
  return max_lanes(m);
}
