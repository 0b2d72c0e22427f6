// Row kernels: softmax, layer normalisation, embedding, cross-entropy.

static void softmax(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_softmax g = *(const ck_softmax *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *y = (REAL *)g.y + row * g.columns;
    const REAL *x = (const REAL *)g.x + row * g.columns;
    const REAL total = exp_row(y, x, g.columns, 1, max_row(x, g.columns, 1));
    // A row of −∞, everything masked, becomes zeros; NaN stays NaN.
    const vec inverse = splat(total == 0 ? 0 : 1 / total);
    EACH_VECTOR(i, n, 0, g.columns) store_n(y + i, load_n(y + i, n) * inverse, n);
  }
}

static void softmax_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_softmax_backward g = *(const ck_softmax_backward *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *dx = (REAL *)g.dx + row * g.columns;
    const REAL *dy = (const REAL *)g.dy + row * g.columns, *y = (const REAL *)g.y + row * g.columns;
    vec inner = {0};
    EACH_VECTOR(i, n, 0, g.columns) inner = fma_(load_n(dy + i, n), load_n(y + i, n), inner);
    const vec dot = splat(sum_lanes(inner));
    EACH_VECTOR(i, n, 0, g.columns) {
      vec d = load_n(y + i, n) * (load_n(dy + i, n) - dot);
      store_n(dx + i, g.accumulate ? load_n(dx + i, n) + d : d, n);
    }
  }
}

static void layer_norm(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_layer_norm g = *(const ck_layer_norm *)arguments;
  const REAL *scale = g.scale, *shift = g.shift;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *y = (REAL *)g.y + row * g.columns;
    const REAL *x = (const REAL *)g.x + row * g.columns;
    const REAL mean = sum_run(x, g.columns, 1) / (REAL)g.columns;
    vec squares = {0};
    EACH_VECTOR(i, n, 0, g.columns) {
      vec d = load_n(x + i, n) - splat(mean);
      if (n < LANES) d = select(lanes_before(n), d, splat(0));
      squares = fma_(d, d, squares);
    }
    const REAL variance = sum_lanes(squares) / (REAL)g.columns;
    const REAL reciprocal = (REAL)1 / SQRT(variance + (REAL)g.epsilon);
    ((REAL *)g.mean)[row] = mean;
    ((REAL *)g.reciprocal_deviation)[row] = reciprocal;
    EACH_VECTOR(i, n, 0, g.columns) {
      vec v = (load_n(x + i, n) - splat(mean)) * splat(reciprocal);
      if (scale) v *= load_n(scale + i, n);
      if (shift) v += load_n(shift + i, n);
      store_n(y + i, v, n);
    }
  }
}

static void layer_norm_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_layer_norm_backward g = *(const ck_layer_norm_backward *)arguments;
  const REAL *scale = g.scale;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *dx = (REAL *)g.dx + row * g.columns;
    const REAL *dy = (const REAL *)g.dy + row * g.columns, *x = (const REAL *)g.x + row * g.columns;
    const vec mean = splat(((const REAL *)g.mean)[row]);
    const vec reciprocal = splat(((const REAL *)g.reciprocal_deviation)[row]);
    vec sum_d = {0}, sum_dx = {0};
    EACH_VECTOR(i, n, 0, g.columns) {
      vec d = load_n(dy + i, n);
      if (scale) d *= load_n(scale + i, n);
      sum_d += d;
      sum_dx = fma_(d, (load_n(x + i, n) - mean) * reciprocal, sum_dx);
    }
    const vec mean_d = splat(sum_lanes(sum_d) / (REAL)g.columns);
    const vec mean_dx = splat(sum_lanes(sum_dx) / (REAL)g.columns);
    EACH_VECTOR(i, n, 0, g.columns) {
      vec d = load_n(dy + i, n);
      if (scale) d *= load_n(scale + i, n);
      vec normalised = (load_n(x + i, n) - mean) * reciprocal;
      vec v = reciprocal * (d - mean_d - normalised * mean_dx);
      store_n(dx + i, g.accumulate ? load_n(dx + i, n) + v : v, n);
    }
  }
}

// The end of 64-column block `unit`.
INLINE ck_index block_end(ck_index unit, ck_index columns) {
  return unit * 64 + 64 < columns ? unit * 64 + 64 : columns;
}

static void layer_norm_parameters(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_layer_norm_parameters g = *(const ck_layer_norm_parameters *)arguments;
  const REAL *mean = g.mean, *reciprocal = g.reciprocal_deviation;
  REAL *dscale = g.dscale, *dshift = g.dshift;
  (void)scratch;
  for (ck_index unit = begin; unit < end; unit++) {
    EACH_VECTOR(i, n, unit * 64, block_end(unit, g.columns)) {
      vec scale_total = {0}, shift_total = {0};
      for (ck_index first = 0; first < g.rows; first += TERMS_PER_BLOCK) {
        const ck_index past = first + TERMS_PER_BLOCK < g.rows ? first + TERMS_PER_BLOCK : g.rows;
        vec scale_block = {0}, shift_block = {0};
        for (ck_index row = first; row < past; row++) {
          vec d = load_n((const REAL *)g.dy + row * g.columns + i, n);
          vec v = (load_n((const REAL *)g.x + row * g.columns + i, n) - splat(mean[row]))
                  * splat(reciprocal[row]);
          scale_block = fma_(d, v, scale_block);
          shift_block += d;
        }
        scale_total += scale_block;
        shift_total += shift_block;
      }
      if (dscale) store_n(dscale + i, g.accumulate_scale ? load_n(dscale + i, n) + scale_total : scale_total, n);
      if (dshift) store_n(dshift + i, g.accumulate_shift ? load_n(dshift + i, n) + shift_total : shift_total, n);
    }
  }
}

static void embedding(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_embedding g = *(const ck_embedding *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    memcpy((REAL *)g.y + row * g.columns, (const REAL *)g.table + g.tokens[row] * g.columns,
           (size_t)g.columns * sizeof(REAL));
  }
}

static void embedding_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_embedding_backward g = *(const ck_embedding_backward *)arguments;
  const ck_index first = begin * 64, past = block_end(end - 1, g.columns);
  (void)scratch;
  for (ck_index row = 0; row < g.rows; row++) {
    REAL *target = (REAL *)g.dtable + g.tokens[row] * g.columns;
    const REAL *dy = (const REAL *)g.dy + row * g.columns;
    EACH_VECTOR(i, n, first, past) store_n(target + i, load_n(target + i, n) + load_n(dy + i, n), n);
  }
}

// The gradient needs exp(x − max) twice; it is computed again rather than kept.
static void cross_entropy(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_cross_entropy g = *(const ck_cross_entropy *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    const REAL *x = (const REAL *)g.x + row * g.x_stride;
    REAL *dx = g.gradient ? (REAL *)g.gradient + row * g.x_stride : NULL;
    const int32_t target = g.targets[row];
    if (target == g.ignore) {
      g.losses[row] = 0;
      if (dx && !g.accumulate) memset(dx, 0, (size_t)g.columns * sizeof(REAL));
      continue;
    }
    const REAL shift = max_row(x, g.columns, 1);
    vec total = {0};
    EACH_VECTOR(i, n, 0, g.columns) {
      vec v = exp_falling(load_n(x + i, n) - splat(shift));
      if (n < LANES) v = select(lanes_before(n), v, splat(0));
      total += v;
    }
    const REAL denominator = sum_lanes(total);
    g.losses[row] = LOG_SCALAR((double)denominator) - ((double)x[target] - (double)shift);
    if (!dx) continue;
    const vec factor = splat((REAL)(g.scale / (double)denominator));
    EACH_VECTOR(i, n, 0, g.columns) {
      vec d = exp_falling(load_n(x + i, n) - splat(shift)) * factor;
      store_n(dx + i, g.accumulate ? load_n(dx + i, n) + d : d, n);
    }
    dx[target] -= (REAL)g.scale;
  }
}
