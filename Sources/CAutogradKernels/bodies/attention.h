// Causal attention, forward; and what backward (attention_backward.h) shares with it. A group of query rows is taken at
// a time, its scores against the keys that they see lie in scratch, and the T × T matrix never exists. Row i sums over
// its own keys only, in order: masked keys are neither loaded into a sum nor multiplied by zero.
//
// A document is attended to by itself: rows and keys below are counted from its beginning, and so are groups, panels
// and pairs. Documents side by side give the bits of each alone.
//
// With PAIRS the five products multiply pairs: of channels in Q·Kᵀ and dy·Vᵀ, of keys in P·V and dS·K, of queries in
// Pᵀ·dy and dSᵀ·Q. Everything between them is in floats.

// How much scratch memory `forward_room` and `backward_room` lay out is counted in dispatch.c.

INLINE ck_index padded(ck_index n) { return (n + NR - 1) / NR * NR; }

#include "attention_rows.h"

// Query rows per group in backward: long enough that the products over rows are not bound by loads of C. Groups and
// tiles begin at even rows: pairs of queries and of keys do not depend on where a row lies in its group.
#define BACKWARD_ROWS (4 * MR)
_Static_assert(MR % STEP == 0, "a tile begins between pairs");

// The first key that a row sees.
INLINE ck_index first_key(ck_index window, ck_index row) { return row < window ? 0 : row - window + 1; }

// The same, at the beginning of a step along keys.
INLINE ck_index first_step(ck_index window, ck_index row) { return first_key(window, row) / STEP * STEP; }

// How many tokens from `start` on belong to its document.
INLINE ck_index document_length(const ck_attention *g, ck_index b, ck_index start) {
  ck_index past = g->positions ? start + 1 : g->T;
  while (past < g->T && g->positions[b * g->T + past] != 0) past++;
  return past - start;
}

// Packs x[T, D] (row stride `stride`) as the right factor of a product over D: panels of NR rows of x.
static void pack_rows(REAL *packed, const REAL *x, ck_index stride, ck_index T, ck_index D) {
  for (ck_index first = 0; first < T; first += NR) {
    pack_transposed(packed + first * STEPS(D), NR, x + first * stride, stride, at_most(T - first, NR), D, 0);
  }
}

// Packs x[rows, D] as the right factor of a product over its rows: panels of NR columns, `capacity` rows apart.
static void pack_values(REAL *packed, ck_index capacity, const REAL *x, ck_index stride, ck_index rows, ck_index D) {
  for (ck_index first = 0; first < D; first += NR) {
    pack_straight(packed + first * STEPS(capacity), NR, x + first, stride, at_most(D - first, NR), rows, 0);
  }
}

// Packs the keys of a document both ways, or only as the right factor of scores where `straight` is NULL. k is the
// document's first row, number `token` of the batch; `room` holds NR rows.
static void pack_keys(const ck_attention *g, REAL *panels, REAL *straight, const REAL *k, ck_index token, ck_index n,
                      REAL *room) {
  const ck_index D = g->D;
  if (!prepares(g)) {
    pack_rows(panels, k, g->k_stride, n, D);
    if (straight) pack_values(straight, n, k, g->k_stride, n, D);
    return;
  }
  for (ck_index first = 0; first < n; first += NR) {
    const ck_index count = at_most(n - first, NR);
    const rows keys = prepared(g, room, k + first * g->k_stride, g->k_stride, g->k_weight, token + first, count);
    pack_rows(panels + first * STEPS(D), keys.at, keys.stride, count, D);
    if (straight) pack_values(straight + STEPS(first) * NR, n, keys.at, keys.stride, count, D);
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

// Columns begin..<past of rows of floats as steps across the rows, in their place: rows 2i and 2i + 1 become row 2i.
INLINE void rows_as_steps(REAL *rows, ck_index width, ck_index count, ck_index begin, ck_index past) {
  for (ck_index i = 0; i < count; i += 2) {
    REAL *even = rows + i * width, *odd = even + width;
    EACH_VECTOR(j, n, begin, past) {
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
#define rows_as_steps(rows, width, count, begin, past) ((void)0)
#define left_factor(room, x, stride, rows, D) ((void)(room), (x))
#define LEFT_STRIDE(stride, D) (stride)
#endif

// out[rows, keys] = a[rows, D] · packedᵀ for the keys that each row sees, in whole panels and register tiles; row 0 is
// query `query`, a is what `left_factor` made, out's stride is `width`.
static void scores(REAL *out, ck_index width, const REAL *a, ck_index a_stride, ck_index window, ck_index query,
                   ck_index rows, const REAL *packed, ck_index D) {
  for (ck_index first = first_key(window, query) / NR * NR; first < query + rows; first += NR) {
    // Tiles whose last row lies before the panel's first key are masked altogether, and so are those whose first row's
    // window begins behind its last.
    const ck_index tiles = first >= query + MR ? (first - query) / MR : 0;
    const ck_index past = at_most(rows, first + NR + window - 1 - query);
    for (ck_index i = tiles * MR; i < past; i += MR) {
      any_tile((int)at_most(rows - i, MR), STEPS(D), a + i * a_stride, a_stride, 1, packed + first * STEPS(D),
               out + i * width + first, width, NR, 0);
    }
  }
}

// Row `row` of p as steps along keys, in `steps`, which may be p's row itself. A masked key in the first step is zero.
INLINE void keys_as_steps(REAL *steps, REAL *p, ck_index window, ck_index row) {
#if STEP > 1
  const ck_index first = first_step(window, row);
  if (first < first_key(window, row)) p[first] = 0;
  row_as_steps(steps + first / STEP, p + first, row + 1 - first);
#else
  (void)steps, (void)p, (void)window, (void)row;
#endif
}

// out[columns] = or goes on with Σ p[key] · values[key] over keys begin..<past: one row's chain, or a part of it that
// ends between steps. `panel` holds NR columns of the values.
static void row_values(REAL *out, const REAL *p, ck_index begin, ck_index past, const REAL *panel, ck_index columns,
                       ck_onto onto) {
  EACH_VECTOR(j, n, 0, columns) {
    vec sum = onto == CK_CONTINUES ? load_n(out + j, n) : (vec){0};
    for (ck_index step = begin / STEP; step * STEP < past; step++) {
      vec right = load(panel + step * NR + j);
      if (step * STEP < begin) right = second_of_step(right);
      if (past - step * STEP < STEP) right = first_of_step(right);
      sum = multiply_add(splat_step(p + step), right, sum);
    }
    store_n(out + j, sum, n);
  }
}

// Where the rows of a tile do not begin at the same key: up to the first step that all of them see each has a chain of
// its own, and goes on together with the others.
static void windowed_values(REAL *out, ck_index out_stride, const REAL *p, ck_index width, ck_index window,
                            ck_index first, ck_index rows, const REAL *panel, ck_index columns, ck_onto onto) {
  const ck_index common = (first_key(window, first + rows - 1) + STEP - 1) / STEP * STEP;
  for (ck_index i = 0; i < rows; i++) {
    const ck_index row = first + i, past = common <= first ? common : row + 1;
    row_values(out + i * out_stride, p + i * width, first_key(window, row), past, panel, columns, onto);
  }
  if (common > first) return;
  triangle_tile((int)rows, (first - common) / STEP, p + common / STEP, width, panel + common / STEP * NR, out,
                out_stride, columns, CK_CONTINUES);
}

// out[rows, D] = or goes on with p[rows, keys] · values, row first + i over the keys that it sees. rows ≤ MR; p is in
// steps along keys.
static void weighted_values(REAL *out, ck_index out_stride, const REAL *p, ck_index width, ck_index window,
                            ck_index first, ck_index rows, const REAL *values, ck_index capacity, ck_index D,
                            ck_onto onto) {
  const int together = first_key(window, first + rows - 1) == 0;
  for (ck_index column = 0; column < D; column += NR) {
    const REAL *panel = values + column * STEPS(capacity);
    const ck_index columns = at_most(D - column, NR);
    if (together) {
      triangle_tile((int)rows, first / STEP, p, width, panel, out + column, out_stride, columns, onto);
    } else {
      windowed_values(out + column, out_stride, p, width, window, first, rows, panel, columns, onto);
    }
  }
}

// The factors of a row's probabilities from key `first` on: 0 or 1/(1 − rate), drawn from (head, row, key).
static void dropout_factors(REAL *factors, const ck_attention *g, ck_index head, ck_index token, ck_index first,
                            ck_index past) {
  const uint32_t threshold = dropout_threshold(g->dropout_rate);
  const REAL keep = (REAL)(1 / (1 - g->dropout_rate));
  const uint64_t base = ((uint64_t)head * (uint64_t)g->T + (uint64_t)token) * (uint64_t)((g->T + 3) / 4);
  for (first = first / PHILOX_WORDS * PHILOX_WORDS; first < past; first += PHILOX_WORDS) {
    uint32_t words[PHILOX_WORDS];
    philox(g->key, (uint32_t)(base + (uint64_t)first / 4), g->counter1, g->counter2, g->counter3, words);
    for (ck_index key = 0; key < PHILOX_WORDS; key++) factors[first + key] = words[key] >= threshold ? keep : 0;
  }
}

// Asks for D elements of a row. Rows of one head lie on pages of their own, which the hardware does not foresee.
INLINE void ask_for_row(const REAL *row, ck_index D) {
  for (ck_index j = 0; j < D; j += LINE) SOON(row + j);
}

// One query head of one sequence of the batch: its number and its first column, the first token of its sequence, and
// what is read after it: the columns of the head beside it, if there is one, else its own; and those of that head's
// keys where they are others, else −1.
typedef struct head_place { ck_index head, column, first_token, next_column, next_key_column; } head_place;

INLINE head_place place_of(const ck_attention *g, ck_index head) {
  const ck_index h = head % g->H, group = g->H / g->KV, next = h + 1;
  head_place place = {head, h * g->D, head / g->H * g->T, h * g->D, -1};
  if (next < g->H) {
    place.next_column = next * g->D;
    if (next % group == 0) place.next_key_column = next / group * g->D;
  }
  return place;
}

// The row of the batch that a group of `group` rows later stands in the place of `token`: of this head or, after its
// last group, of the one beside it. `column` becomes the head's first column.
INLINE ck_index row_later(const ck_attention *g, const head_place *place, ck_index token, ck_index group,
                          ck_index *column) {
  const ck_index later = token + group;
  *column = later < g->T ? place->column : place->next_column;
  return place->first_token + (later < g->T ? later : token % group);
}

// Asks for a later row of q, and for the keys and values in `token`'s row that the next head reads, where they are
// others.
INLINE void ask_for_later(const ck_attention *g, const head_place *place, ck_index token, ck_index later,
                          ck_index column) {
  ask_for_row((const REAL *)g->q + later * g->q_stride + column, g->D);
  if (place->next_key_column < 0) return;
  const ck_index row = place->first_token + token;
  ask_for_row((const REAL *)g->k + row * g->k_stride + place->next_key_column, g->D);
  ask_for_row((const REAL *)g->v + row * g->v_stride + place->next_key_column, g->D);
}

// Scores of the document's row `query`, which is token number `token` of its sequence, become probabilities, kept or
// dropped. Where backward follows, maximum and sum are kept for it.
static __attribute__((noinline)) void probabilities(REAL *row, const ck_attention *g, ck_index head, ck_index token,
                                                    ck_index query, REAL *factors) {
  const ck_index first = first_key(g->window, query), count = query + 1 - first, at = head * g->T + token;
  REAL *p = row + first;
  const REAL maximum = max_row(p, count, (REAL)g->scale);
  const REAL reciprocal = 1 / exp_row(p, p, count, (REAL)g->scale, maximum);
  if (g->maximum) {
    ((REAL *)g->maximum)[at] = maximum;
    ((REAL *)g->reciprocal_sum)[at] = reciprocal;
  }
  if (g->dropout_rate > 0) {
    dropout_factors(factors, g, head, token, first, query + 1);
    EACH_VECTOR(j, n, 0, count) store_n(p + j, load_n(p + j, n) * reciprocal * load_n(factors + first + j, n), n);
  } else {
    EACH_VECTOR(j, n, 0, count) store_n(p + j, load_n(p + j, n) * reciprocal, n);
  }
}

// What forward lays out in its scratch.
typedef struct forward_room { REAL *keys, *values, *p, *factors, *left, *prepared; } forward_room;

INLINE forward_room forward_room_in(REAL *scratch, const ck_attention *g) {
  const ck_index width = padded(g->T);
  forward_room room = {.keys = scratch};
  room.values = room.keys + width * STEPS(g->D);
  room.p = room.values + STEPS(g->T) * padded(g->D);
  room.factors = room.p + MR * width;
  room.left = room.factors + width + PHILOX_WORDS;
  room.prepared = room.left + (STEP > 1 ? MR * STEPS(g->D) : 0);
  return room;
}

// Rows `first`..<`past` of a document, of one query head: q and y of the first of them, number `token` of the batch.
// `place` says what is read after them, where that is asked for. `first` is even where keys are taken in pairs.
typedef struct query_rows {
  const REAL *q; REAL *y; ck_index head, token, first, past; const head_place *place;
} query_rows;

// Rows over the keys that they see, which are packed in `room`, the values' panels `capacity` keys long.
static void attend(const ck_attention *arguments, const query_rows *span, ck_index capacity, const forward_room *room) {
  // Copies that nothing stored to memory can change.
  const ck_attention g = *arguments;
  const query_rows r = *span;
  const ck_index D = g.D, C = g.H * D, width = padded(r.past), sequence = r.place ? r.place->first_token : 0;
  for (ck_index first = r.first; first < r.past; first += MR) {
    const ck_index count = at_most(r.past - first, MR), begin = first - r.first, token = r.token + begin;
    const rows queries =
      prepared(&g, room->prepared, r.q + begin * g.q_stride, g.q_stride, g.q_weight, token, count);
    const REAL *left = left_factor(room->left, queries.at, queries.stride, count, D);
    scores(room->p, width, left, LEFT_STRIDE(queries.stride, D), g.window, first, count, room->keys, D);
    for (ck_index i = 0; i < count; i++) {
      REAL *row = room->p + i * width;
      if (r.place) {
        ck_index column;
        const ck_index later = row_later(&g, r.place, token + i - sequence, MR, &column);
        ask_for_later(&g, r.place, token + i - sequence, later, column);
      }
      probabilities(row, &g, r.head, token + i - sequence, first + i, room->factors);
      keys_as_steps(row, row, g.window, first + i);
    }
    weighted_values(r.y + begin * C, C, room->p, width, g.window, first, count, room->values, capacity, D, CK_WRITES);
  }
}

static void attention(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_attention g = *(const ck_attention *)arguments;
  const forward_room room = forward_room_in(scratch, &g);
  const ck_index group = g.H / g.KV;
  for (ck_index head = begin, past; head < end; head = past) {
    const ck_index key_head = head / group, b = key_head / g.KV, column = key_head % g.KV * g.D;
    past = at_most((key_head + 1) * group, end);
    for (ck_index start = 0, n; start < g.T; start += n) {
      n = document_length(&g, b, start);
      const ck_index token = b * g.T + start;
      pack_keys(&g, room.keys, NULL, (const REAL *)g.k + token * g.k_stride + column, token, n, room.prepared);
      pack_values(room.values, n, (const REAL *)g.v + token * g.v_stride + column, g.v_stride, n, g.D);
      for (ck_index h = head; h < past; h++) {
        const head_place place = place_of(&g, h);
        const query_rows span = {(const REAL *)g.q + token * g.q_stride + place.column,
                                 (REAL *)g.y + token * g.H * g.D + place.column, h, token, 0, n, &place};
        attend(&g, &span, n, &room);
      }
    }
  }
}
