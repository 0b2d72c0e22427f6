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
    total t = {0};
    vec block = {0};
    EACH_RUN(t, block, g.columns, { block = fma_(load_n(dy + i, n), load_n(y + i, n), block); });
    const vec dot = splat((REAL)total_of_runs(&t, block, g.columns));
    EACH_VECTOR(i, n, 0, g.columns) {
      vec d = load_n(y + i, n) * (load_n(dy + i, n) - dot);
      store_n(dx + i, g.accumulate ? load_n(dx + i, n) + d : d, n);
    }
  }
}

// Σ x
INLINE REAL sum_row(const REAL *x, ck_index columns) {
  total t = {0};
  vec block = {0};
  EACH_RUN(t, block, columns, { block += load_n(x + i, n); });
  return (REAL)total_of_runs(&t, block, columns);
}

static void layer_norm(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_layer_norm g = *(const ck_layer_norm *)arguments;
  const REAL *scale = g.scale, *shift = g.shift;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *y = (REAL *)g.y + row * g.columns;
    const REAL *x = (const REAL *)g.x + row * g.columns;
    const REAL mean = sum_row(x, g.columns) / (REAL)g.columns;
    total t = {0};
    vec squares = {0};
    EACH_RUN(t, squares, g.columns, {
      vec d = load_n(x + i, n) - splat(mean);
      if (n < LANES) d = select(lanes_before(n), d, splat(0));
      squares = fma_(d, d, squares);
    });
    const REAL variance = (REAL)total_of_runs(&t, squares, g.columns) / (REAL)g.columns;
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

// Adds a row to the sums of its block, which it begins where it is the block's `first`.
INLINE void add_to_sums(REAL *sums, ck_index i, ck_index n, vec factor, vec d, const int first) {
  store_n(sums + i, fma_(d, factor, first ? (vec){0} : load_n(sums + i, n)), n);
}

static void layer_norm_backward_row(const ck_layer_norm_backward *g, ck_index row, REAL *scale_sums, REAL *shift_sums,
                                    const int first) {
  const REAL *scale = g->scale;
  const REAL *dy = (const REAL *)g->dy + row * g->columns, *x = (const REAL *)g->x + row * g->columns;
  const vec mean = splat(((const REAL *)g->mean)[row]);
  const vec reciprocal = splat(((const REAL *)g->reciprocal_deviation)[row]);
  vec sum_d = {0}, sum_dx = {0};
  EACH_VECTOR(i, n, 0, g->columns) {
    vec d = load_n(dy + i, n);
    const vec normalised = (load_n(x + i, n) - mean) * reciprocal;
    if (scale_sums) add_to_sums(scale_sums, i, n, normalised, d, first);
    if (shift_sums) add_to_sums(shift_sums, i, n, splat(1), d, first);
    if (scale) d *= load_n(scale + i, n);
    sum_d += d;
    sum_dx = fma_(d, normalised, sum_dx);
  }
  if (!g->dx) return;
  REAL *dx = (REAL *)g->dx + row * g->columns;
  const vec mean_d = splat(sum_lanes(sum_d) / (REAL)g->columns);
  const vec mean_dx = splat(sum_lanes(sum_dx) / (REAL)g->columns);
  EACH_VECTOR(i, n, 0, g->columns) {
    vec d = load_n(dy + i, n);
    if (scale) d *= load_n(scale + i, n);
    const vec normalised = (load_n(x + i, n) - mean) * reciprocal;
    const vec v = reciprocal * (d - mean_d - normalised * mean_dx);
    store_n(dx + i, g->accumulate ? load_n(dx + i, n) + v : v, n);
  }
}

static void layer_norm_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_layer_norm_backward g = *(const ck_layer_norm_backward *)arguments;
  (void)scratch;
  for (ck_index unit = begin; unit < end; unit++) {
    REAL *scale_sums = g.scale_sums ? (REAL *)g.scale_sums + unit * g.columns : NULL;
    REAL *shift_sums = g.shift_sums ? (REAL *)g.shift_sums + unit * g.columns : NULL;
    const ck_index first = unit * CK_TERMS, past = first + CK_TERMS < g.rows ? first + CK_TERMS : g.rows;
    for (ck_index row = first; row < past; row++) {
      layer_norm_backward_row(&g, row, scale_sums, shift_sums, row == first);
    }
  }
}

// Σ x²
INLINE REAL sum_of_squares(const REAL *x, ck_index columns) {
  total t = {0};
  vec block = {0};
  EACH_RUN(t, block, columns, {
    const vec v = load_n(x + i, n);
    block = fma_(v, v, block);
  });
  return (REAL)total_of_runs(&t, block, columns);
}

static void rms_norm(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_rms_norm g = *(const ck_rms_norm *)arguments;
  const REAL *scale = g.scale;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *y = (REAL *)g.y + row * g.columns;
    const REAL *x = (const REAL *)g.x + row * g.columns;
    const REAL mean = sum_of_squares(x, g.columns) / (REAL)g.columns;
    const REAL reciprocal = (REAL)1 / SQRT(mean + (REAL)g.epsilon);
    ((REAL *)g.reciprocal)[row] = reciprocal;
    EACH_VECTOR(i, n, 0, g.columns) {
      vec v = load_n(x + i, n) * splat(reciprocal);
      if (scale) v *= load_n(scale + i, n);
      store_n(y + i, v, n);
    }
  }
}

static void rms_norm_backward_row(const ck_rms_norm_backward *g, ck_index row, REAL *scale_sums, const int first) {
  const REAL *scale = g->scale;
  const REAL *dy = (const REAL *)g->dy + row * g->columns, *x = (const REAL *)g->x + row * g->columns;
  const vec reciprocal = splat(((const REAL *)g->reciprocal)[row]);
  vec sum_dx = {0};
  EACH_VECTOR(i, n, 0, g->columns) {
    vec d = load_n(dy + i, n);
    const vec normalised = load_n(x + i, n) * reciprocal;
    if (scale_sums) add_to_sums(scale_sums, i, n, normalised, d, first);
    if (scale) d *= load_n(scale + i, n);
    sum_dx = fma_(d, normalised, sum_dx);
  }
  if (!g->dx) return;
  REAL *dx = (REAL *)g->dx + row * g->columns;
  const vec mean_dx = splat(sum_lanes(sum_dx) / (REAL)g->columns);
  EACH_VECTOR(i, n, 0, g->columns) {
    vec d = load_n(dy + i, n);
    if (scale) d *= load_n(scale + i, n);
    const vec v = reciprocal * (d - load_n(x + i, n) * reciprocal * mean_dx);
    store_n(dx + i, g->accumulate ? load_n(dx + i, n) + v : v, n);
  }
}

static void rms_norm_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_rms_norm_backward g = *(const ck_rms_norm_backward *)arguments;
  (void)scratch;
  for (ck_index unit = begin; unit < end; unit++) {
    REAL *scale_sums = g.scale_sums ? (REAL *)g.scale_sums + unit * g.columns : NULL;
    const ck_index first = unit * CK_TERMS, past = first + CK_TERMS < g.rows ? first + CK_TERMS : g.rows;
    for (ck_index row = first; row < past; row++) rms_norm_backward_row(&g, row, scale_sums, row == first);
  }
}

// The end of 64-column block `unit`.
INLINE ck_index block_end(ck_index unit, ck_index columns) {
  return unit * 64 + 64 < columns ? unit * 64 + 64 : columns;
}

static void embedding(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_embedding g = *(const ck_embedding *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *y = (REAL *)g.y + row * g.columns;
    const REAL *entry = (const REAL *)g.table + g.tokens[row] * g.columns;
    if (g.update) {
      g.update->update(g.update, g.update->pieces, index_in(g.update, entry), 0, 1, g.columns, y);
    } else {
      memcpy(y, entry, (size_t)g.columns * sizeof(REAL));
    }
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

// x = cap · tanh(x / cap)
INLINE void cap_row(REAL *x, ck_index columns, double cap) {
  const vec factor = splat((REAL)cap), inverse = splat((REAL)(1 / cap));
  EACH_VECTOR(i, n, 0, columns) store_n(x + i, factor * tanh_(load_n(x + i, n) * inverse), n);
}

// The gradient of row `row` times `scale`: Σ exp(x − shift) = `denominator`, and softmax counts (1 + `excess`) times.
// `capped`: x = cap · tanh(u / cap), and the gradient is that of u: 1 − (x / cap)² times that of x.
INLINE void cross_entropy_gradient(const ck_cross_entropy *g, ck_index row, const int capped, REAL shift,
                                   double denominator, double scale, double excess) {
  const REAL *x = (const REAL *)g->x + row * g->x_stride;
  REAL *dx = (REAL *)g->gradient + row * g->x_stride;
  const ck_index target = g->targets[row];
  const vec factor = splat((REAL)((excess == 0 ? scale : scale * (1 + excess)) / denominator));
  const vec inverse = splat(capped ? (REAL)(1 / g->soft_cap) : 0);
  REAL one = (REAL)scale;
  if (capped) one *= 1 - x[target] * inverse[0] * (x[target] * inverse[0]);
  EACH_VECTOR(i, n, 0, g->columns) {
    const vec v = load_n(x + i, n);
    vec d = exp_falling(v - splat(shift)) * factor;
    if (capped) d *= 1 - v * inverse * (v * inverse);
    store_n(dx + i, g->accumulate ? load_n(dx + i, n) + d : d, n);
  }
  dx[target] -= one;
}

// The gradient needs exp(x − max) twice; it is computed again rather than kept.
static void cross_entropy(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_cross_entropy g = *(const ck_cross_entropy *)arguments;
  (void)scratch;
  for (ck_index row = begin; row < end; row++) {
    REAL *x = (REAL *)g.x + row * g.x_stride;
    const int32_t target = g.targets[row];
    const double weight = g.weights ? (double)((const REAL *)g.weights)[row] : 1;
    if (target == g.ignore || weight == 0) {
      g.losses[row] = 0;
      if (g.gradient && !g.accumulate) {
        memset((REAL *)g.gradient + row * g.x_stride, 0, (size_t)g.columns * sizeof(REAL));
      }
      continue;
    }
    if (g.soft_cap != 0) cap_row(x, g.columns, g.soft_cap);
    const REAL shift = max_row(x, g.columns, 1);
    total t = {0};
    vec block = {0};
    EACH_RUN(t, block, g.columns, {
      vec v = exp_falling(load_n(x + i, n) - splat(shift));
      if (n < LANES) v = select(lanes_before(n), v, splat(0));
      block += v;
    });
    const double denominator = total_of_runs(&t, block, g.columns), logarithm = LOG_SCALAR(denominator);
    double loss = logarithm - ((double)x[target] - (double)shift), excess = 0;
    if (g.z_loss != 0) {
      const double normaliser = logarithm + (double)shift;
      loss += g.z_loss * normaliser * normaliser;
      excess = 2 * g.z_loss * normaliser;
    }
    g.losses[row] = weight * loss;
    if (!g.gradient) continue;
    if (g.soft_cap != 0) cross_entropy_gradient(&g, row, 1, shift, denominator, g.scale * weight, excess);
    else cross_entropy_gradient(&g, row, 0, shift, denominator, g.scale * weight, excess);
  }
}
