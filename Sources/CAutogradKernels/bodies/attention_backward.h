// Causal attention, backward. Scores and probabilities are computed again from each row's maximum and sum. The query
// heads that share keys are taken in order, so that a key's gradient is one chain over all of their rows.

// The first key of the first tile of keys that a row sees.
INLINE ck_index first_tile(ck_index window, ck_index row) { return first_key(window, row) / MR * MR; }

// One group of query rows: p and ds for the keys that each row sees, and zeros where a tile reads beyond them.
static void score_gradients(const ck_attention_backward *g, const head_place *place, ck_index start, ck_index first,
                            ck_index count, REAL *p, REAL *ds, ck_index width, REAL *factors) {
  const ck_attention *f = &g->forward;
  const ck_index C = f->H * f->D, keys = first + count, at_head = place->first_token * C + place->column;
  const REAL *y = (const REAL *)f->y + at_head, *dy = (const REAL *)g->dy + at_head;
  for (ck_index i = 0; i < count; i++) {
    REAL *p_row = p + i * width, *ds_row = ds + i * width;
    const ck_index row = first + i, low = first_key(f->window, row), token = start + row;
    const ck_index at = place->head * f->T + token;
    const vec maximum = splat(((const REAL *)f->maximum)[at]);
    const vec reciprocal = splat(((const REAL *)f->reciprocal_sum)[at]);
    ck_index column;
    const ck_index later = row_later(f, place, token, BACKWARD_ROWS, &column);
    ask_for_later(f, place, token, later, column);
    ask_for_row((const REAL *)f->y + later * C + column, f->D);
    ask_for_row((const REAL *)g->dy + later * C + column, f->D);
    vec inner = {0};
    EACH_VECTOR(j, n, 0, f->D) inner = fma_(load_n(y + token * C + j, n), load_n(dy + token * C + j, n), inner);
    const vec delta = splat(sum_lanes(inner));
    if (f->dropout_rate > 0) dropout_factors(factors, f, place->head, token, low, row + 1);
    EACH_VECTOR(j, n, low, row + 1) {
      const vec v = exp_falling(load_n(p_row + j, n) * (REAL)f->scale - maximum) * reciprocal;
      const vec factor = f->dropout_rate > 0 ? load_n(factors + j, n) : splat(1);
      store_n(ds_row + j, v * (load_n(ds_row + j, n) * factor - delta) * (REAL)f->scale, n);
      store_n(p_row + j, v * factor, n);
    }
    // A query with a single key takes its value whatever the scores: rounding must not leave a gradient here.
    if (row == low) ds_row[low] = 0;
    const ck_index edge = low < MR + STEP ? 0 : low - MR - STEP;
    EACH_VECTOR(j, n, edge, low) {
      store_n(p_row + j, splat(0), n);
      store_n(ds_row + j, splat(0), n);
    }
    EACH_VECTOR(j, n, row + 1, keys) {
      store_n(p_row + j, splat(0), n);
      store_n(ds_row + j, splat(0), n);
    }
  }
}

// sums[keys, D] += mᵀ[keys, count] · packed, the chain over query rows continuing from group to group; m is in steps
// across rows. Row 0 is query `query`; the rows that see none of a tile's keys are left out of it.
static void add_transposed(REAL *sums, const REAL *m, ck_index width, ck_index window, ck_index query, ck_index count,
                           const REAL *packed, ck_index D) {
  const ck_index depth = padded(D), keys = query + count;
  for (ck_index column = 0; column < D; column += NR) {
    for (ck_index key = first_tile(window, query); key < keys; key += MR) {
      const ck_index skipped = key > query ? key - query : 0, past = at_most(count, key + MR - 1 + window - query);
      any_tile((int)at_most(keys - key, MR), STEPS(past - skipped), m + key + skipped * width, 1, STEP * width,
               packed + column * STEPS(BACKWARD_ROWS) + STEPS(skipped) * NR, sums + key * depth + column, depth, NR,
               CK_CONTINUES);
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

// What backward lays out in its scratch. With PAIRS: `left`, a left factor over D, and `along`, a tile of ds in steps
// along keys. Where rows are prepared: those, a tile of dq, and sums for the gradients of a norm's weights.
typedef struct backward_room {
  REAL *key_panels, *value_panels, *keys, *dk, *dv, *queries, *dy_panels, *p, *ds, *factors, *left, *along, *prepared,
    *dq, *q_sums, *k_sums;
} backward_room;

INLINE backward_room backward_room_in(REAL *scratch, const ck_attention *g) {
  const ck_index width = padded(g->T), depth = padded(g->D), D_steps = STEPS(g->D);
  backward_room room = {.key_panels = scratch};
  room.value_panels = room.key_panels + width * D_steps;
  room.keys = room.value_panels + width * D_steps;
  room.dk = room.keys + STEPS(g->T) * depth;
  room.dv = room.dk + g->T * depth;
  room.queries = room.dv + g->T * depth;
  room.dy_panels = room.queries + STEPS(BACKWARD_ROWS) * depth;
  room.p = room.dy_panels + STEPS(BACKWARD_ROWS) * depth;
  room.ds = room.p + BACKWARD_ROWS * width;
  room.factors = room.ds + BACKWARD_ROWS * width;
  room.left = room.factors + width + PHILOX_WORDS;
  room.along = room.left + (STEP > 1 ? BACKWARD_ROWS * D_steps : 0);
  room.prepared = room.along + (STEP > 1 ? MR * width : 0);
  room.dq = room.prepared + BACKWARD_ROWS * depth;
  room.q_sums = room.dq + MR * depth;
  room.k_sums = room.q_sums + COLUMN_SUMS * depth;
  return room;
}

// dq of a tile of `count` rows from row `first` on, from its ds. q is the document's first row, token number `token` of
// the batch, and so is dq.
static void query_gradients(const ck_attention_backward *g, const backward_room *room, const REAL *q, REAL *dq,
                            ck_index token, REAL *ds, ck_index first, ck_index count, ck_index n) {
  const ck_attention *f = &g->forward;
  const ck_index D = f->D, stride = f->q_stride, width = padded(n), depth = padded(D);
  const REAL *steps = ds;
  if (STEP > 1) {
    for (ck_index i = 0; i < count; i++) {
      keys_as_steps(room->along + i * width, ds + i * width, f->window, first + i);
    }
    steps = room->along;
  }
  if (!prepares(f)) {
    weighted_values(dq + first * stride, stride, steps, width, f->window, first, count, room->keys, n, D,
                    g->accumulate ? CK_CONTINUES : CK_WRITES);
    return;
  }
  weighted_values(room->dq, depth, steps, width, f->window, first, count, room->keys, n, D, CK_WRITES);
  REAL *sums = g->q_weight_sums ? room->q_sums : NULL;
  for (ck_index i = 0; i < count; i++) {
    const ck_index at = (first + i) * stride;
    store_row_gradient(f, dq + at, g->accumulate, room->dq + i * depth, q + at, f->q_weight, sums, token + first + i);
  }
  if (sums) end_block(sums, D);
}

// One query head over the n tokens of a document from `start` on: dq, and onto dk and dv.
static void attend_backward(const ck_attention_backward *g, ck_index head, ck_index start, ck_index n,
                            const backward_room *room) {
  const ck_attention *f = &g->forward;
  const head_place place = place_of(f, head);
  const ck_index D = f->D, C = f->H * D, width = padded(n), token = place.first_token + start, window = f->window;
  const ck_index at = token * f->q_stride + place.column;
  const REAL *q = (const REAL *)f->q + at, *dy = (const REAL *)g->dy + token * C + place.column;
  REAL *dq = (REAL *)g->dq + at, *p = room->p, *ds = room->ds;
  for (ck_index first = 0; first < n; first += BACKWARD_ROWS) {
    const ck_index count = at_most(n - first, BACKWARD_ROWS);
    const rows queries =
      prepared(f, room->prepared, q + first * f->q_stride, f->q_stride, f->q_weight, token + first, count);
    const REAL *q_left = left_factor(room->left, queries.at, queries.stride, count, D);
    scores(p, width, q_left, LEFT_STRIDE(queries.stride, D), window, first, count, room->key_panels, D);
    const REAL *dy_left = left_factor(room->left, dy + first * C, C, count, D);
    scores(ds, width, dy_left, LEFT_STRIDE(C, D), window, first, count, room->value_panels, D);
    score_gradients(g, &place, start, first, count, p, ds, width, room->factors);
    for (ck_index i = 0; i < count; i += MR) {
      query_gradients(g, room, q, dq, token, ds + i * width, first + i, at_most(count - i, MR), n);
    }
    rows_as_steps(p, width, count, first_tile(window, first), first + count);
    pack_values(room->dy_panels, BACKWARD_ROWS, dy + first * C, C, count, D);
    add_transposed(room->dv, p, width, window, first, count, room->dy_panels, D);
    rows_as_steps(ds, width, count, first_tile(window, first), first + count);
    pack_values(room->queries, BACKWARD_ROWS, queries.at, queries.stride, count, D);
    add_transposed(room->dk, ds, width, window, first, count, room->queries, D);
  }
}

// dk of a document, back through rotation and norm.
static void store_key_gradients(const ck_attention_backward *g, REAL *out, const REAL *k, ck_index token, ck_index n,
                                const backward_room *room) {
  const ck_attention *f = &g->forward;
  if (!prepares(f)) {
    store_head(out, f->k_stride, room->dk, n, f->D, g->accumulate);
    return;
  }
  const ck_index depth = padded(f->D);
  REAL *sums = g->k_weight_sums ? room->k_sums : NULL;
  for (ck_index t = 0; t < n; t++) {
    store_row_gradient(f, out + t * f->k_stride, g->accumulate, room->dk + t * depth, k + t * f->k_stride, f->k_weight,
                       sums, token + t);
    if (sums && (t % CK_TERMS == CK_TERMS - 1 || t + 1 == n)) end_block(sums, f->D);
  }
}

static void attention_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_attention_backward g = *(const ck_attention_backward *)arguments;
  const ck_attention *f = &g.forward;
  const backward_room room = backward_room_in(scratch, f);
  const ck_index group = f->H / f->KV, T = f->T, D = f->D, depth = padded(D);
  const size_t sums = (size_t)(COLUMN_SUMS * depth) * sizeof(REAL);
  for (ck_index key_head = begin; key_head < end; key_head++) {
    const ck_index b = key_head / f->KV, column = key_head % f->KV * D;
    if (g.q_weight_sums) memset(room.q_sums, 0, sums);
    if (g.k_weight_sums) memset(room.k_sums, 0, sums);
    for (ck_index start = 0, n; start < T; start += n) {
      n = document_length(f, b, start);
      const ck_index token = b * T + start, k_at = token * f->k_stride + column, v_at = token * f->v_stride + column;
      const REAL *k = (const REAL *)f->k + k_at, *v = (const REAL *)f->v + v_at;
      pack_keys(f, room.key_panels, room.keys, k, token, n, room.prepared);
      pack_rows(room.value_panels, v, f->v_stride, n, D);
      memset(room.dk, 0, (size_t)(n * depth) * sizeof(REAL));
      memset(room.dv, 0, (size_t)(n * depth) * sizeof(REAL));
      for (ck_index h = 0; h < group; h++) attend_backward(&g, key_head * group + h, start, n, &room);
      store_key_gradients(&g, (REAL *)g.dk + k_at, k, token, n, &room);
      store_head((REAL *)g.dv + v_at, f->v_stride, room.dv, n, D, g.accumulate);
    }
    if (g.q_weight_sums) store_column_sums((REAL *)g.q_weight_sums + key_head * D, room.q_sums, D);
    if (g.k_weight_sums) store_column_sums((REAL *)g.k_weight_sums + key_head * D, room.k_sums, D);
  }
}
