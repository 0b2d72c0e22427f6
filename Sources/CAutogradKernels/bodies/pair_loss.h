// Losses of predictions against real targets, element by element.

INLINE vec pair_loss_value(ck_pair_loss_op op, vec x, vec t) {
  switch (op) {
  case CK_SQUARED_ERROR: return (x - t) * (x - t);
  case CK_BINARY_CROSS_ENTROPY: {
    // −t·log s(x) − (1 − t)·log(1 − s(x)), written so that nothing overflows and nothing cancels.
    const vec positive = select(x < splat(0), splat(0), x);
    return positive - x * t + log1p_(exp_falling(-absolute(x)));
  }
  }
  return x;
}

INLINE vec pair_loss_slope(ck_pair_loss_op op, vec x, vec t) {
  if (op == CK_SQUARED_ERROR) return 2 * (x - t);
  vec small;
  return sigmoid_(x, &small) - t;
}

static void pair_loss(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_pair_loss g = *(const ck_pair_loss *)arguments;
  const REAL *x = g.x, *t = g.targets;
  (void)scratch;
#define LOOP(OP) \
  case OP: \
    EACH_VECTOR(i, n, first, past) { \
      vec v = pair_loss_value(OP, load_n(x + i, n), load_n(t + i, n)); \
      if (n < LANES) v = select(lanes_before(n), v, splat(0)); \
      add_to(&sum, v); \
    } \
    break;
  for (ck_index unit = begin; unit < end; unit++) {
    const ck_index first = unit * 1024, past = first + 1024 < g.count ? first + 1024 : g.count;
    total sum = {0};
    switch (g.op) { LOOP(CK_SQUARED_ERROR) LOOP(CK_BINARY_CROSS_ENTROPY) }
    g.partials[unit] = total_of(&sum);
  }
#undef LOOP
}

static void pair_loss_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_pair_loss_backward g = *(const ck_pair_loss_backward *)arguments;
  const REAL *x = g.x, *t = g.targets;
  REAL *dx = g.dx, *dt = g.dtargets;
  const vec scale = splat((REAL)g.scale);
  (void)scratch;
  EACH_VECTOR(i, n, begin, end) {
    const vec v = load_n(x + i, n);
    const vec d = scale * pair_loss_slope(g.op, v, load_n(t + i, n));
    if (dx) store_n(dx + i, g.accumulate_x ? load_n(dx + i, n) + d : d, n);
    if (!dt) continue;
    const vec e = g.op == CK_SQUARED_ERROR ? -d : -scale * v;
    store_n(dt + i, g.accumulate_targets ? load_n(dt + i, n) + e : e, n);
  }
}
