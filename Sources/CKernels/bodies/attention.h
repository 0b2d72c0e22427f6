// Causal attention of one (batch, head). A group of query rows is taken at a time, its scores against all keys
// up to its last row lie in scratch, and the T × T matrix never exists. Row i sums over keys 0...i only, in
// order: masked keys are neither loaded into a sum nor multiplied by zero.

INLINE ck_index padded(ck_index n) { return (n + NR - 1) / NR * NR; }

// Query rows per group in backward: long enough that the products over rows are not bound by loads of C.
#define BACKWARD_ROWS (4 * MR)

// Packs x[T, D] (row stride `stride`) as the right factor of a product over D: panels of NR rows of x.
static void pack_keys(REAL *packed, const REAL *x, ck_index stride, ck_index T, ck_index D) {
  for (ck_index first = 0; first < T; first += NR) {
    pack_transposed(packed + first * D, NR, x + first * stride, stride, T - first < NR ? T - first : NR, D, 0);
  }
}

// Packs x[rows, D] as the right factor of a product over its rows: panels of NR columns, `capacity` rows apart.
static void pack_values(REAL *packed, ck_index capacity, const REAL *x, ck_index stride, ck_index rows, ck_index D) {
  for (ck_index first = 0; first < D; first += NR) {
    pack_straight(packed + first * capacity, NR, x + first, stride, D - first < NR ? D - first : NR, rows, 0);
  }
}

// out[rows, keys] = a[rows, D] · packedᵀ for the keys up to each row's own, in whole panels and register tiles; row 0
// is query `query`, out's stride is `width`.
static void scores(REAL *out, ck_index width, const REAL *a, ck_index a_stride, ck_index query, ck_index rows,
                   const REAL *packed, ck_index D) {
  for (ck_index first = 0; first < query + rows; first += NR) {
    // Tiles whose last row lies before the panel's first key are masked altogether.
    const ck_index tiles = first >= query + MR ? (first - query) / MR : 0;
    for (ck_index i = tiles * MR; i < rows; i += MR) {
      any_tile((int)(rows - i < MR ? rows - i : MR), D, a + i * a_stride, a_stride, 1, packed + first * D,
               out + i * width + first, width, NR, 0);
    }
  }
}

// Continues the chains of rows [low, high) of a triangle: row i takes keys low + 1 ... i, ascending.
static void corner(ck_index low, ck_index high, const REAL *p, ck_index width, const REAL *values, REAL *out,
                   ck_index out_stride, ck_index columns) {
  if (high - low < 2) return;
  const ck_index middle = low + (high - low) / 2;
  corner(low, middle, p, width, values, out, out_stride, columns);
  any_tile((int)(high - middle), middle - low, p + middle * width + low + 1, width, 1, values + (low + 1) * NR,
           out + middle * out_stride, out_stride, columns, 1);
  corner(middle, high, p, width, values, out, out_stride, columns);
}

// out[rows, D] = p[rows, keys] · values, row first + i over keys 0...first + i. rows ≤ MR.
static void weighted_values(REAL *out, ck_index out_stride, const REAL *p, ck_index width, ck_index first,
                            ck_index rows, const REAL *values, ck_index capacity, ck_index D, int accumulate) {
  for (ck_index column = 0; column < D; column += NR) {
    const ck_index columns = D - column < NR ? D - column : NR;
    const REAL *panel = values + column * capacity;
    any_tile((int)rows, first + 1, p, width, 1, panel, out + column, out_stride, columns, accumulate);
    corner(0, rows, p + first, width, panel + first * NR, out + column, out_stride, columns);
  }
}

// Multiplies probabilities by their dropout factors: 0 or 1/(1 − rate), drawn from (head, row, key).
static void drop_probabilities(REAL *out, const REAL *p, const ck_attention *g, ck_index head, ck_index row) {
  const uint32_t threshold = dropout_threshold(g->dropout_rate);
  const REAL keep = (REAL)(1 / (1 - g->dropout_rate));
  const uint64_t base = ((uint64_t)head * (uint64_t)g->T + (uint64_t)row) * (uint64_t)((g->T + 3) / 4);
  for (ck_index first = 0; first <= row; first += PHILOX_WORDS) {
    uint32_t words[PHILOX_WORDS];
    philox(g->key, (uint32_t)(base + (uint64_t)first / 4), g->counter1, g->counter2, g->counter3, words);
    const ck_index count = row + 1 - first < PHILOX_WORDS ? row + 1 - first : PHILOX_WORDS;
    for (ck_index key = 0; key < count; key++) {
      out[first + key] = words[key] >= threshold ? p[first + key] * keep : 0;
    }
  }
}

static void attention(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_attention g = *(const ck_attention *)arguments;
  const ck_index C = g.H * g.D, stride = 3 * C, width = padded(g.T);
  REAL *keys = scratch, *values = keys + width * g.D, *p = values + g.T * padded(g.D);
  for (ck_index head = begin; head < end; head++) {
    const ck_index b = head / g.H, h = head % g.H;
    const REAL *q = (const REAL *)g.qkv + b * g.T * stride + h * g.D;
    REAL *y = (REAL *)g.y + b * g.T * C + h * g.D;
    pack_keys(keys, q + C, stride, g.T, g.D);
    pack_values(values, g.T, q + 2 * C, stride, g.T, g.D);
    for (ck_index first = 0; first < g.T; first += MR) {
      const ck_index rows = g.T - first < MR ? g.T - first : MR;
      scores(p, width, q + first * stride, stride, first, rows, keys, g.D);
      for (ck_index i = 0; i < rows; i++) {
        REAL *row = p + i * width;
        const ck_index count = first + i + 1, at = head * g.T + first + i;
        EACH_VECTOR(j, n, 0, count) store_n(row + j, load_n(row + j, n) * (REAL)g.scale, n);
        const REAL maximum = max_row(row, count);
        const REAL reciprocal = 1 / exp_row(row, row, count, maximum);
        EACH_VECTOR(j, n, 0, count) store_n(row + j, load_n(row + j, n) * reciprocal, n);
        if (g.dropout_rate > 0) drop_probabilities(row, row, &g, head, first + i);
        ((REAL *)g.maximum)[at] = maximum;
        ((REAL *)g.reciprocal_sum)[at] = reciprocal;
      }
      weighted_values(y + first * C, C, p, width, first, rows, values, g.T, g.D, 0);
    }
  }
}

// One group of query rows: p and ds for keys 0..<keys, zero beyond each row's own key.
static void score_gradients(const ck_attention_backward *g, ck_index head, ck_index first, ck_index rows, REAL *p,
                            REAL *ds, ck_index width, const REAL *dy) {
  const ck_attention *f = &g->forward;
  const ck_index C = f->H * f->D, keys = first + rows;
  const REAL *y = (const REAL *)f->y + (head / f->H) * f->T * C + (head % f->H) * f->D;
  for (ck_index i = 0; i < rows; i++) {
    REAL *p_row = p + i * width, *ds_row = ds + i * width;
    const ck_index row = first + i, at = head * f->T + row;
    const vec maximum = splat(((const REAL *)f->maximum)[at]);
    const vec reciprocal = splat(((const REAL *)f->reciprocal_sum)[at]);
    vec inner = {0};
    EACH_VECTOR(j, n, 0, f->D) inner = fma_(load_n(y + row * C + j, n), load_n(dy + row * C + j, n), inner);
    const vec delta = splat(sum_lanes(inner));
    EACH_VECTOR(j, n, 0, row + 1) {
      vec v = exp_(load_n(p_row + j, n) * (REAL)f->scale - maximum) * reciprocal;
      store_n(p_row + j, v, n);
    }
    if (f->dropout_rate > 0) drop_probabilities(ds_row, ds_row, f, head, row);
    EACH_VECTOR(j, n, 0, row + 1) {
      vec v = load_n(p_row + j, n) * (load_n(ds_row + j, n) - delta) * (REAL)f->scale;
      store_n(ds_row + j, v, n);
    }
    if (f->dropout_rate > 0) drop_probabilities(p_row, p_row, f, head, row);
    EACH_VECTOR(j, n, row + 1, keys) {
      store_n(p_row + j, splat(0), n);
      store_n(ds_row + j, splat(0), n);
    }
  }
}

// sums[keys, D] += mᵀ[keys, rows] · packed, the chain over query rows continuing from group to group. Row 0 is query
// `query`; the rows before a tile's first key are masked for all of it and left out.
static void add_transposed(REAL *sums, const REAL *m, ck_index width, ck_index query, ck_index rows,
                           const REAL *packed, ck_index D) {
  const ck_index depth = padded(D), keys = query + rows;
  for (ck_index column = 0; column < D; column += NR) {
    for (ck_index key = 0; key < keys; key += MR) {
      const ck_index skipped = key > query ? key - query : 0;
      any_tile((int)(keys - key < MR ? keys - key : MR), rows - skipped, m + key + skipped * width, 1, width,
               packed + column * BACKWARD_ROWS + skipped * NR, sums + key * depth + column, depth, NR, 1);
    }
  }
}

static void store_head(REAL *out, ck_index stride, const REAL *x, ck_index T, ck_index D, int accumulate) {
  const ck_index depth = padded(D);
  for (ck_index t = 0; t < T; t++) {
    EACH_VECTOR(j, n, 0, D) {
      vec v = load_n(x + t * depth + j, n);
      store_n(out + t * stride + j, accumulate ? load_n(out + t * stride + j, n) + v : v, n);
    }
  }
}

static void attention_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_attention_backward g = *(const ck_attention_backward *)arguments;
  const ck_index T = g.forward.T, D = g.forward.D, C = g.forward.H * D, stride = 3 * C;
  const ck_index width = padded(T), depth = padded(D);
  REAL *key_panels = scratch, *value_panels = key_panels + width * D, *keys = value_panels + width * D;
  REAL *dk = keys + T * depth, *dv = dk + T * depth, *queries = dv + T * depth;
  REAL *dy_panels = queries + BACKWARD_ROWS * depth, *p = dy_panels + BACKWARD_ROWS * depth;
  REAL *ds = p + BACKWARD_ROWS * width;
  for (ck_index head = begin; head < end; head++) {
    const ck_index b = head / g.forward.H, h = head % g.forward.H;
    const REAL *q = (const REAL *)g.forward.qkv + b * T * stride + h * D;
    const REAL *dy = (const REAL *)g.dy + b * T * C + h * D;
    REAL *dq = (REAL *)g.dqkv + b * T * stride + h * D;
    pack_keys(key_panels, q + C, stride, T, D);
    pack_keys(value_panels, q + 2 * C, stride, T, D);
    pack_values(keys, T, q + C, stride, T, D);
    memset(dk, 0, (size_t)(2 * T * depth) * sizeof(REAL));
    for (ck_index first = 0; first < T; first += BACKWARD_ROWS) {
      const ck_index rows = T - first < BACKWARD_ROWS ? T - first : BACKWARD_ROWS;
      scores(p, width, q + first * stride, stride, first, rows, key_panels, D);
      scores(ds, width, dy + first * C, C, first, rows, value_panels, D);
      score_gradients(&g, head, first, rows, p, ds, width, dy);
      for (ck_index i = 0; i < rows; i += MR) {
        weighted_values(dq + (first + i) * stride, stride, ds + i * width, width, first + i,
                        rows - i < MR ? rows - i : MR, keys, T, D, g.accumulate);
      }
      pack_values(dy_panels, BACKWARD_ROWS, dy + first * C, C, rows, D);
      add_transposed(dv, p, width, first, rows, dy_panels, D);
      pack_values(queries, BACKWARD_ROWS, q + first * stride, stride, rows, D);
      add_transposed(dk, ds, width, first, rows, queries, D);
    }
    store_head(dq + C, stride, dk, T, D, g.accumulate);
    store_head(dq + 2 * C, stride, dv, T, D, g.accumulate);
  }
}
