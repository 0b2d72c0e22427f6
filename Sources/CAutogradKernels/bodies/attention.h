// Causal attention of one (batch, head). A group of query rows is taken at a time, its scores against all keys
// up to its last row lie in scratch, and the T × T matrix never exists. Row i sums over keys 0...i only, in
// order: masked keys are neither loaded into a sum nor multiplied by zero.
//
// With PAIRS the five products multiply pairs: of channels in Q·Kᵀ and dy·Vᵀ, of keys in P·V and dS·K, of queries in
// Pᵀ·dy and dSᵀ·Q. Everything between them is in floats.

// How much scratch memory `attention` and `attention_backward` lay out is counted in dispatch.c.

INLINE ck_index padded(ck_index n) { return (n + NR - 1) / NR * NR; }

// Query rows per group in backward: long enough that the products over rows are not bound by loads of C. Groups and
// tiles begin at even rows: pairs of queries and of keys do not depend on where a row lies in its group.
#define BACKWARD_ROWS (4 * MR)
_Static_assert(MR % STEP == 0, "a tile begins between pairs");

// Packs x[T, D] (row stride `stride`) as the right factor of a product over D: panels of NR rows of x.
static void pack_keys(REAL *packed, const REAL *x, ck_index stride, ck_index T, ck_index D) {
  for (ck_index first = 0; first < T; first += NR) {
    pack_transposed(packed + first * STEPS(D), NR, x + first * stride, stride, T - first < NR ? T - first : NR, D, 0);
  }
}

// Packs x[rows, D] as the right factor of a product over its rows: panels of NR columns, `capacity` rows apart.
static void pack_values(REAL *packed, ck_index capacity, const REAL *x, ck_index stride, ck_index rows, ck_index D) {
  for (ck_index first = 0; first < D; first += NR) {
    pack_straight(packed + first * STEPS(capacity), NR, x + first, stride, D - first < NR ? D - first : NR, rows, 0);
  }
}

#if PAIRS
// A row of floats as steps along it. `steps` may be `row`: no step lies behind what it is made of.
INLINE void row_as_steps(REAL *steps, const REAL *row, ck_index count) {
  for (ck_index j = 0; j < count; j += STEP * LANES) {
    const ck_index rest = STEPS(count - j);
    store_n(steps + STEPS(j), steps_along(row + j, count - j, 0), rest < LANES ? rest : LANES);
  }
}

// Rows of floats as steps across them, in their place: rows 2i and 2i + 1 become row 2i.
INLINE void rows_as_steps(REAL *rows, ck_index width, ck_index count, ck_index columns) {
  for (ck_index i = 0; i < count; i += 2) {
    REAL *even = rows + i * width, *odd = even + width;
    EACH_VECTOR(j, n, 0, columns) {
      store_n(even + j, pairs_across(load_n(even + j, n), i + 1 < count ? load_n(odd + j, n) : (vec){0}), n);
    }
  }
}

// Rows of x as the left factor of a product over D, made in `room`; their distance there is LEFT_STRIDE.
INLINE const REAL *left_factor(REAL *room, const REAL *x, ck_index stride, ck_index rows, ck_index D) {
  for (ck_index i = 0; i < rows; i++) row_as_steps(room + i * STEPS(D), x + i * stride, D);
  return room;
}
#define LEFT_STRIDE(stride, D) STEPS(D)
#else
// Floats are steps as they lie.
#define row_as_steps(steps, row, count) ((void)0)
#define rows_as_steps(rows, width, count, columns) ((void)0)
#define left_factor(room, x, stride, rows, D) ((void)(room), (x))
#define LEFT_STRIDE(stride, D) (stride)
#endif

// out[rows, keys] = a[rows, D] · packedᵀ for the keys up to each row's own, in whole panels and register tiles; row 0
// is query `query`, a is what `left_factor` made, out's stride is `width`.
static void scores(REAL *out, ck_index width, const REAL *a, ck_index a_stride, ck_index query, ck_index rows,
                   const REAL *packed, ck_index D) {
  for (ck_index first = 0; first < query + rows; first += NR) {
    // Tiles whose last row lies before the panel's first key are masked altogether.
    const ck_index tiles = first >= query + MR ? (first - query) / MR : 0;
    for (ck_index i = tiles * MR; i < rows; i += MR) {
      any_tile((int)(rows - i < MR ? rows - i : MR), STEPS(D), a + i * a_stride, a_stride, 1,
               packed + first * STEPS(D), out + i * width + first, width, NR, 0);
    }
  }
}

// out[rows, D] = p[rows, keys] · values, row first + i over keys 0...first + i. rows ≤ MR; p is in steps along keys.
static void weighted_values(REAL *out, ck_index out_stride, const REAL *p, ck_index width, ck_index first,
                            ck_index rows, const REAL *values, ck_index capacity, ck_index D, int accumulate) {
  for (ck_index column = 0; column < D; column += NR) {
    triangle_tile((int)rows, first / STEP, p, width, values + column * STEPS(capacity), out + column, out_stride,
                  D - column < NR ? D - column : NR, accumulate);
  }
}

// The factors of a row's probabilities: 0 or 1/(1 − rate), drawn from (head, row, key).
static void dropout_factors(REAL *factors, const ck_attention *g, ck_index head, ck_index row) {
  const uint32_t threshold = dropout_threshold(g->dropout_rate);
  const REAL keep = (REAL)(1 / (1 - g->dropout_rate));
  const uint64_t base = ((uint64_t)head * (uint64_t)g->T + (uint64_t)row) * (uint64_t)((g->T + 3) / 4);
  for (ck_index first = 0; first <= row; first += PHILOX_WORDS) {
    uint32_t words[PHILOX_WORDS];
    philox(g->key, (uint32_t)(base + (uint64_t)first / 4), g->counter1, g->counter2, g->counter3, words);
    for (ck_index key = 0; key < PHILOX_WORDS; key++) factors[first + key] = words[key] >= threshold ? keep : 0;
  }
}

// Asks for D elements of a row. Rows of one head lie on pages of their own, which the hardware does not foresee.
INLINE void ask_for_row(const REAL *row, ck_index D) {
  for (ck_index j = 0; j < D; j += LINE) SOON(row + j);
}

// The row that a group of `group` rows later stands in the place of `row`: of this head or, after its last group, of the
// one beside it, if there is one. `column` becomes the head's first column.
INLINE ck_index row_later(const ck_attention *g, ck_index head, ck_index row, ck_index group, ck_index *column) {
  const ck_index later = row + group, h = head % g->H;
  *column = (later < g->T || h + 1 == g->H ? h : h + 1) * g->D;
  return head / g->H * g->T + (later < g->T ? later : row % group);
}

// Asks for a later row of q, and for keys and values that the next head has in `row`.
INLINE void ask_for_later(const ck_attention *g, ck_index head, ck_index row, ck_index later, ck_index column) {
  const ck_index C = g->H * g->D;
  ask_for_row((const REAL *)g->qkv + later * 3 * C + column, g->D);
  if (head % g->H + 1 == g->H) return;
  const REAL *beside = (const REAL *)g->qkv + (head / g->H * g->T + row) * 3 * C + (head % g->H + 1) * g->D;
  ask_for_row(beside + C, g->D);
  ask_for_row(beside + 2 * C, g->D);
}

// Scores of one row become probabilities, kept or dropped.
INLINE void probabilities(REAL *row, const ck_attention *g, ck_index head, ck_index query, REAL *factors) {
  const ck_index count = query + 1, at = head * g->T + query;
  const REAL maximum = max_row(row, count, (REAL)g->scale);
  const REAL reciprocal = 1 / exp_row(row, row, count, (REAL)g->scale, maximum);
  ((REAL *)g->maximum)[at] = maximum;
  ((REAL *)g->reciprocal_sum)[at] = reciprocal;
  if (g->dropout_rate > 0) {
    dropout_factors(factors, g, head, query);
    EACH_VECTOR(j, n, 0, count) store_n(row + j, load_n(row + j, n) * reciprocal * load_n(factors + j, n), n);
  } else {
    EACH_VECTOR(j, n, 0, count) store_n(row + j, load_n(row + j, n) * reciprocal, n);
  }
}

static void attention(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_attention g = *(const ck_attention *)arguments;
  const ck_index C = g.H * g.D, stride = 3 * C, width = padded(g.T);
  REAL *keys = scratch, *values = keys + width * STEPS(g.D), *p = values + STEPS(g.T) * padded(g.D);
  REAL *factors = p + MR * width, *left = factors + width + PHILOX_WORDS;
  for (ck_index head = begin; head < end; head++) {
    const ck_index b = head / g.H, h = head % g.H;
    const REAL *q = (const REAL *)g.qkv + b * g.T * stride + h * g.D;
    REAL *y = (REAL *)g.y + b * g.T * C + h * g.D;
    pack_keys(keys, q + C, stride, g.T, g.D);
    pack_values(values, g.T, q + 2 * C, stride, g.T, g.D);
    for (ck_index first = 0; first < g.T; first += MR) {
      const ck_index rows = g.T - first < MR ? g.T - first : MR;
      const REAL *queries = left_factor(left, q + first * stride, stride, rows, g.D);
      scores(p, width, queries, LEFT_STRIDE(stride, g.D), first, rows, keys, g.D);
      for (ck_index i = 0; i < rows; i++) {
        REAL *row = p + i * width;
        ck_index column;
        const ck_index later = row_later(&g, head, first + i, MR, &column);
        ask_for_later(&g, head, first + i, later, column);
        probabilities(row, &g, head, first + i, factors);
        row_as_steps(row, row, first + i + 1);
      }
      weighted_values(y + first * C, C, p, width, first, rows, values, g.T, g.D, 0);
    }
  }
}

// One group of query rows: p and ds for keys 0..<keys, zero beyond each row's own key.
static void score_gradients(const ck_attention_backward *g, ck_index head, ck_index first, ck_index rows, REAL *p,
                            REAL *ds, ck_index width, const REAL *dy, REAL *factors) {
  const ck_attention *f = &g->forward;
  const ck_index C = f->H * f->D, keys = first + rows;
  const REAL *y = (const REAL *)f->y + (head / f->H) * f->T * C + (head % f->H) * f->D;
  for (ck_index i = 0; i < rows; i++) {
    REAL *p_row = p + i * width, *ds_row = ds + i * width;
    const ck_index row = first + i, at = head * f->T + row;
    const vec maximum = splat(((const REAL *)f->maximum)[at]);
    const vec reciprocal = splat(((const REAL *)f->reciprocal_sum)[at]);
    ck_index column;
    const ck_index later = row_later(f, head, row, BACKWARD_ROWS, &column);
    ask_for_later(f, head, row, later, column);
    ask_for_row((const REAL *)f->y + later * C + column, f->D);
    ask_for_row((const REAL *)g->dy + later * C + column, f->D);
    vec inner = {0};
    EACH_VECTOR(j, n, 0, f->D) inner = fma_(load_n(y + row * C + j, n), load_n(dy + row * C + j, n), inner);
    const vec delta = splat(sum_lanes(inner));
    if (f->dropout_rate > 0) dropout_factors(factors, f, head, row);
    EACH_VECTOR(j, n, 0, row + 1) {
      const vec v = exp_falling(load_n(p_row + j, n) * (REAL)f->scale - maximum) * reciprocal;
      const vec factor = f->dropout_rate > 0 ? load_n(factors + j, n) : splat(1);
      store_n(ds_row + j, v * (load_n(ds_row + j, n) * factor - delta) * (REAL)f->scale, n);
      store_n(p_row + j, v * factor, n);
    }
    // A query with a single key takes its value whatever the scores: rounding must not leave a gradient here.
    if (row == 0) ds_row[0] = 0;
    EACH_VECTOR(j, n, row + 1, keys) {
      store_n(p_row + j, splat(0), n);
      store_n(ds_row + j, splat(0), n);
    }
  }
}

// sums[keys, D] += mᵀ[keys, rows] · packed, the chain over query rows continuing from group to group; m is in steps
// across rows. Row 0 is query `query`; the rows before a tile's first key are masked for all of it and left out.
static void add_transposed(REAL *sums, const REAL *m, ck_index width, ck_index query, ck_index rows,
                           const REAL *packed, ck_index D) {
  const ck_index depth = padded(D), keys = query + rows;
  for (ck_index column = 0; column < D; column += NR) {
    for (ck_index key = 0; key < keys; key += MR) {
      const ck_index skipped = key > query ? key - query : 0;
      any_tile((int)(keys - key < MR ? keys - key : MR), STEPS(rows - skipped), m + key + skipped * width, 1,
               STEP * width, packed + column * STEPS(BACKWARD_ROWS) + STEPS(skipped) * NR,
               sums + key * depth + column, depth, NR, 1);
    }
  }
}

static void store_head(REAL *out, ck_index stride, const REAL *x, ck_index T, ck_index D, int accumulate) {
  const ck_index depth = padded(D);
  for (ck_index t = 0; t < T; t++) {
    for (ck_index j = 0; j < D; j += LINE) __builtin_prefetch(out + (t + ROWS_AHEAD) * stride + j, 1, 3);
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
  REAL *key_panels = scratch, *value_panels = key_panels + width * STEPS(D), *keys = value_panels + width * STEPS(D);
  REAL *dk = keys + STEPS(T) * depth, *dv = dk + T * depth, *queries = dv + T * depth;
  REAL *dy_panels = queries + STEPS(BACKWARD_ROWS) * depth, *p = dy_panels + STEPS(BACKWARD_ROWS) * depth;
  REAL *ds = p + BACKWARD_ROWS * width, *factors = ds + BACKWARD_ROWS * width;
  // With PAIRS: a left factor over D, and a tile of ds in steps along keys. Floats need neither.
  REAL *left = factors + width + PHILOX_WORDS, *along = left + BACKWARD_ROWS * STEPS(D);
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
      const REAL *q_left = left_factor(left, q + first * stride, stride, rows, D);
      scores(p, width, q_left, LEFT_STRIDE(stride, D), first, rows, key_panels, D);
      const REAL *dy_left = left_factor(left, dy + first * C, C, rows, D);
      scores(ds, width, dy_left, LEFT_STRIDE(C, D), first, rows, value_panels, D);
      score_gradients(&g, head, first, rows, p, ds, width, dy, factors);
      for (ck_index i = 0; i < rows; i += MR) {
        const ck_index count = rows - i < MR ? rows - i : MR;
        const REAL *tile_ds = ds + i * width;
        if (STEP > 1) {
          for (ck_index r = 0; r < count; r++) row_as_steps(along + r * width, tile_ds + r * width, first + i + r + 1);
          tile_ds = along;
        }
        weighted_values(dq + (first + i) * stride, stride, tile_ds, width, first + i, count, keys, T, D, g.accumulate);
      }
      rows_as_steps(p, width, rows, first + rows);
      pack_values(dy_panels, BACKWARD_ROWS, dy + first * C, C, rows, D);
      add_transposed(dv, p, width, first, rows, dy_panels, D);
      rows_as_steps(ds, width, rows, first + rows);
      pack_values(queries, BACKWARD_ROWS, q + first * stride, stride, rows, D);
      add_transposed(dk, ds, width, first, rows, queries, D);
    }
    store_head(dq + C, stride, dk, T, D, g.accumulate);
    store_head(dq + 2 * C, stride, dv, T, D, g.accumulate);
  }
}
