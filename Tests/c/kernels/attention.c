// Causal attention, forward and backward: shared key heads, windows, documents, a norm of queries and keys, rotary
// positions.
#include "cases.h"

#include <math.h>
#include <stdlib.h>

enum { LONGEST = 96 };

// Numbers and how large the terms were that they are sums of.
typedef struct terms { real *values, *sizes; } terms;

static terms make_terms(ck_index count) {
  return (terms){calloc((size_t)count, sizeof(real)), calloc((size_t)count, sizeof(real))};
}

static void forget(terms t) { free(t.values), free(t.sizes); }

// One case. `queries` [B, T, H, D] and `keys` [B, T, KV, D] are what is multiplied: normalised and turned.
typedef struct attention {
  ck_attention g;
  array *q, *k, *v, *y, *maximum, *reciprocal, *positions, *q_weight, *k_weight, *cosines, *sines;
  /// Where q, k and v begin in their arrays: all may be one.
  ck_index q_first, k_first, v_first, B;
  terms queries, keys;
} attention;

// ---------------------------------------------------------------------------------------------------------
// Cases

static void choose_sizes(check *c, attention *a) {
  const ck_index mr = c->table->mr, lengths[] = {1, 2, mr - 1, mr, mr + 1, 2 * c->lanes + 1, 4 * mr + 3, 70};
  ck_attention *g = &a->g;
  a->B = pick(c, 1, 2);
  g->T = chance(c, 0.7) ? lengths[pick(c, 0, 7)] : pick(c, 1, 90);
  g->KV = pick(c, 1, 2);
  g->H = g->KV * pick(c, 1, 3);
  g->D = pick(c, 0, 3) == 0 ? c->lanes : pick(c, 1, 2 * c->lanes + 3);
  g->window = chance(c, 0.5) ? g->T : pick(c, 1, g->T);
  g->scale = (double)uniform(c, 0.1L, 1);
  g->dropout_rate = chance(c, 0.3) ? 0.25 : 0;
  g->key = 0xFEDCBA9876543210u, g->counter1 = 3, g->counter2 = 2, g->counter3 = 1;
  g->normalizes = chance(c, 0.3);
  g->norm_epsilon = 1e-3;
  g->rotary_size = chance(c, 0.4) ? 2 * pick(c, 0, g->D / 2) : 0;
  g->interleaves = chance(c, 0.5);
}

// q, k and v side by side in one array or each in one of its own.
static void make_operands(check *c, attention *a) {
  ck_attention *g = &a->g;
  const ck_index rows = a->B * g->T, H = g->H * g->D, KV = g->KV * g->D;
  if (chance(c, 0.6)) {
    a->q = a->k = a->v = numbers(c, INPUT, rows * (H + 2 * KV), -1.5L, 1.5L);
    a->k_first = H, a->v_first = H + KV;
    g->q_stride = g->k_stride = g->v_stride = H + 2 * KV;
  } else {
    g->q_stride = H, g->k_stride = KV + pick(c, 0, 3), g->v_stride = KV;
    a->q = numbers(c, INPUT, rows * g->q_stride, -1.5L, 1.5L);
    a->k = numbers(c, INPUT, rows * g->k_stride, -1.5L, 1.5L);
    a->v = numbers(c, INPUT, rows * g->v_stride, -1.5L, 1.5L);
  }
  g->q = address(a->q, 0), g->k = address(a->k, a->k_first), g->v = address(a->v, a->v_first);
}

// Documents of any lengths; the first of a row may be the end of one.
static void make_positions(check *c, attention *a) {
  if (!chance(c, 0.4)) return;
  a->positions = integers(c, INPUT, a->B * a->g.T, sizeof(int32_t));
  for (ck_index i = 0, place = 0; i < a->positions->count; i++) {
    place = i % a->g.T == 0 ? pick(c, 0, 1) * 3 : chance(c, 0.1) ? 0 : place + 1;
    set_integer(a->positions, i, place);
  }
  a->g.positions = (const int32_t *)a->positions->start;
}

static void make_choices(check *c, attention *a) {
  ck_attention *g = &a->g;
  if (g->normalizes && chance(c, 0.7)) {
    a->q_weight = numbers(c, INPUT, g->D, -2, 2);
    a->k_weight = numbers(c, INPUT, g->D, -2, 2);
  }
  if (g->rotary_size > 0) {
    a->cosines = numbers(c, INPUT, (g->T + 4) * g->rotary_size / 2, -1, 1);
    a->sines = numbers(c, INPUT, a->cosines->count, -1, 1);
    for (ck_index i = 0; i < a->sines->count; i++) {
      const real angle = uniform(c, -3, 3);
      set(a->cosines, i, cosl(angle)), set(a->sines, i, sinl(angle));
    }
  }
  g->q_weight = start(a->q_weight), g->k_weight = start(a->k_weight);
  g->cosines = start(a->cosines), g->sines = start(a->sines);
}

static void prepare(const check *c, attention *a);

static attention some_attention(check *c, bool backward) {
  attention a = {0};
  choose_sizes(c, &a);
  const ck_attention *g = &a.g;
  begin_case(c, "B %td, T %td, H %td, KV %td, D %td, window %td, norm %d, rotary %td %s, dropout %g%s", a.B, g->T, g->H,
             g->KV, g->D, g->window, g->normalizes, g->rotary_size, g->interleaves ? "interleaved" : "in halves",
             g->dropout_rate, backward ? ", backward" : "");
  make_operands(c, &a);
  make_positions(c, &a);
  make_choices(c, &a);
  a.y = numbers(c, backward ? INPUT : OUTPUT, a.B * g->T * g->H * g->D, -1, 1);
  a.maximum = numbers(c, a.y->role, a.B * g->T * g->H, -1, 1);
  a.reciprocal = numbers(c, a.y->role, a.B * g->T * g->H, -1, 1);
  a.g.y = a.y->start, a.g.maximum = a.maximum->start, a.g.reciprocal_sum = a.reciprocal->start;
  prepare(c, &a);
  return a;
}

// ---------------------------------------------------------------------------------------------------------
// Queries and keys as they are multiplied

static bool prepares(const attention *a) { return a->g.normalizes || a->g.cosines; }

static real multiplied(const check *c, real v) { return c->pairs ? bfloat16(nearest(c, v)) : v; }

static real reciprocal_size(const attention *a, const array *x, ck_index first) {
  real squares = 0;
  for (ck_index d = 0; d < a->g.D; d++) squares += at(x, first + d) * at(x, first + d);
  return a->g.normalizes ? 1 / sqrtl(squares / (real)a->g.D + (real)a->g.norm_epsilon) : 1;
}

// The columns of pair j, and its angle for a token.
static void pair_of(const attention *a, ck_index j, ck_index *first, ck_index *second) {
  *first = a->g.interleaves ? 2 * j : j;
  *second = a->g.interleaves ? 2 * j + 1 : j + a->g.rotary_size / 2;
}

// Turns a row by the angles of a token, or back.
static void turn(const attention *a, real *values, real *sizes, ck_index token, bool back) {
  const ck_index position = a->positions ? integer_at(a->positions, token) : token % a->g.T;
  for (ck_index j = 0; j < a->g.rotary_size / 2; j++) {
    ck_index m, n;
    pair_of(a, j, &m, &n);
    const real cosine = at(a->cosines, position * (a->g.rotary_size / 2) + j);
    const real sine = at(a->sines, position * (a->g.rotary_size / 2) + j) * (back ? -1 : 1);
    const real x = values[m], z = values[n], x_size = sizes[m], z_size = sizes[n];
    values[m] = x * cosine - z * sine, values[n] = z * cosine + x * sine;
    sizes[m] = x_size * fabsl(cosine) + z_size * fabsl(sine), sizes[n] = z_size * fabsl(cosine) + x_size * fabsl(sine);
  }
}

static void prepare_rows(const check *c, const attention *a, terms *rows, const array *x, ck_index first,
                         ck_index stride, ck_index heads, const array *weight) {
  const ck_index D = a->g.D;
  *rows = make_terms(a->B * a->g.T * heads * D);
  for (ck_index row = 0; row < a->B * a->g.T * heads; row++) {
    const ck_index from = first + row / heads * stride + row % heads * D;
    const real r = reciprocal_size(a, x, from);
    real *values = rows->values + row * D, *sizes = rows->sizes + row * D;
    for (ck_index d = 0; d < D; d++) {
      values[d] = at(x, from + d) * r * (weight ? at(weight, d) : 1);
      sizes[d] = fabsl(values[d]);
    }
    turn(a, values, sizes, row / heads, false);
    for (ck_index d = 0; d < D; d++) values[d] = multiplied(c, values[d]);
  }
}

static void prepare(const check *c, attention *a) {
  prepare_rows(c, a, &a->queries, a->q, a->q_first, a->g.q_stride, a->g.H, a->q_weight);
  prepare_rows(c, a, &a->keys, a->k, a->k_first, a->g.k_stride, a->g.KV, a->k_weight);
}

// ---------------------------------------------------------------------------------------------------------
// Rows of probabilities

// Query head `h` of token `token` of the batch.
typedef struct query { ck_index token, h; } query;

static ck_index output_place(const attention *a, query q) { return (q.token * a->g.H + q.h) * a->g.D; }
static ck_index statistics_place(const attention *a, query q) {
  return (q.token / a->g.T * a->g.H + q.h) * a->g.T + q.token % a->g.T;
}
static ck_index key_place(const attention *a, query q, ck_index key) {
  return (key * a->g.KV + q.h / (a->g.H / a->g.KV)) * a->g.D;
}
static real value_at(const check *c, const attention *a, query q, ck_index key, ck_index d) {
  return multiplied(c, at(a->v, a->v_first + key * a->g.v_stride + q.h / (a->g.H / a->g.KV) * a->g.D + d));
}

// The first token of the document, and the first key that is seen.
static ck_index document_of(const attention *a, ck_index token) {
  while (token % a->g.T > 0 && (!a->positions || integer_at(a->positions, token) != 0)) token--;
  return token;
}

static ck_index first_key(const attention *a, ck_index token) {
  const ck_index document = document_of(a, token), first = token - a->g.window + 1;
  return first > document ? first : document;
}

static real dropout_factor(const check *c, const attention *a, query q, ck_index key) {
  if (a->g.dropout_rate == 0) return 1;
  // Each row of each head has whole blocks of its own; keys count from the beginning of their document.
  const uint64_t block = (uint64_t)statistics_place(a, q) * (uint64_t)((a->g.T + 3) / 4);
  const uint32_t word =
    philox_word(a->g.key, block * 4 + (uint64_t)(key - document_of(a, q.token)), 3, 2, 1);
  return word >= (uint32_t)(a->g.dropout_rate * 4294967296.0) ? nearest(c, 1 / (1 - a->g.dropout_rate)) : 0;
}

// The probabilities of a row before dropout, from its first key on; its largest score, the sum, and the largest Σ|q·k|.
typedef struct row_facts { real p[LONGEST], largest, sum, spread; ck_index first; } row_facts;

static row_facts facts_of(const attention *a, query q) {
  row_facts f = {.largest = -INFINITY, .first = first_key(a, q.token)};
  for (ck_index key = f.first; key <= q.token; key++) {
    real score = 0, size = 0;
    for (ck_index d = 0; d < a->g.D; d++) {
      const ck_index i = output_place(a, q) + d, j = key_place(a, q, key) + d;
      score += a->queries.values[i] * a->keys.values[j];
      size += a->queries.sizes[i] * a->keys.sizes[j];
    }
    f.p[key - f.first] = score * (real)a->g.scale;
    f.largest = fmaxl(f.largest, f.p[key - f.first]);
    f.spread = fmaxl(f.spread, size * (real)a->g.scale);
  }
  for (ck_index key = f.first; key <= q.token; key++) f.sum += expl(f.p[key - f.first] - f.largest);
  for (ck_index key = f.first; key <= q.token; key++) f.p[key - f.first] = expl(f.p[key - f.first] - f.largest) / f.sum;
  return f;
}

// How far off a score may be: a chain of D terms, of prepared factors. In pairs a factor that was prepared may be
// rounded to the other side.
static real score_lost(const check *c, const attention *a, const row_facts *f) {
  const real D = (real)a->g.D, flips = c->pairs && prepares(a) ? 0x1p-8L * fminl(1, 4 / D) : 0;
  return f->spread * (flips + epsilon(c) * (D / 2 + 4 + (prepares(a) ? 2 * D / (real)c->lanes + 12 : 0)));
}

// How far off a probability may be, as a share of it.
static real share_lost(const check *c, const attention *a, const row_facts *f) {
  return 2 * score_lost(c, a, f) + epsilon(c) * (6 + f->spread + 16);
}

// What rounding a factor to bfloat16 takes, as a share.
static real rounding(const check *c) { return c->pairs ? 0x1p-8L : 0; }

static void expect_row(check *c, const attention *a, query q) {
  const row_facts f = facts_of(a, q);
  const real lost = share_lost(c, a, &f);
  expect_within(c, a->maximum, statistics_place(a, q), f.largest, score_lost(c, a, &f) + ulp(c, f.largest));
  expect_within(c, a->reciprocal, statistics_place(a, q), 1 / f.sum, lost / f.sum);
  for (ck_index d = 0; d < a->g.D; d++) {
    real sum = 0, size = 0;
    for (ck_index key = f.first; key <= q.token; key++) {
      const real v = f.p[key - f.first] * dropout_factor(c, a, q, key) * value_at(c, a, q, key, d);
      sum += v, size += fabsl(v);
    }
    const real off = size * (lost + rounding(c) + epsilon(c) * (real)((q.token - f.first) / 2 + 2));
    expect_within(c, a->y, output_place(a, q) + d, sum, off + smallest_normal(c));
  }
}

void check_attention(check *c, ck_function kernel) {
  for (int i = 0; i < 50 + c->rounds; i++) {
    const attention a = some_attention(c, false);
    const size_t scratch = (size_t)(ck_attention_scratch(c->table, &a.g, c->pairs) * c->size);
    run_kernel(c, kernel, &a.g, a.B * a.g.H, 1, scratch, false);
    for (ck_index token = 0; token < a.B * a.g.T; token++) {
      for (ck_index h = 0; h < a.g.H; h++) expect_row(c, &a, (query){token, h});
    }
    forget(a.queries), forget(a.keys);
  }
}

// ---------------------------------------------------------------------------------------------------------
// Backward

// Gradients of queries, keys (both as multiplied) and values; `sizes` are how far off they may be.
typedef struct gradients { terms queries, keys, values; } gradients;

static void add_term(terms *t, ck_index place, real v, real off) { t->values[place] += v, t->sizes[place] += off; }

static void add_row(const check *c, const attention *a, const array *dys, query q, gradients *g) {
  const row_facts f = facts_of(a, q);
  const ck_index D = a->g.D, row = output_place(a, q);
  // Products of three factors, each rounded in pairs.
  const real share = share_lost(c, a, &f) + 3 * rounding(c) + epsilon(c) * (real)(a->g.T * a->g.H / 2 + D / 2 + 8);
  const real scale = (real)a->g.scale;
  real delta = 0, delta_size = 0;
  for (ck_index d = 0; d < D; d++) {
    delta += at(a->y, row + d) * at(dys, row + d), delta_size += fabsl(at(a->y, row + d) * at(dys, row + d));
  }
  for (ck_index key = f.first; key <= q.token; key++) {
    const real factor = dropout_factor(c, a, q, key), p = f.p[key - f.first];
    real dp = 0, dp_size = 0;
    for (ck_index d = 0; d < D; d++) {
      const real v = multiplied(c, at(dys, row + d)) * value_at(c, a, q, key, d);
      dp += v, dp_size += fabsl(v);
    }
    // A single key has probability 1 whatever its score.
    const bool alone = f.first == q.token;
    const real ds = alone ? 0 : p * (dp * factor - delta) * scale;
    const real ds_size = alone ? 0 : p * (dp_size * factor + delta_size) * scale;
    for (ck_index d = 0; d < D; d++) {
      const ck_index k = key_place(a, q, key) + d;
      const real dy = multiplied(c, at(dys, row + d));
      add_term(&g->queries, row + d, ds * a->keys.values[k], ds_size * a->keys.sizes[k] * share);
      add_term(&g->keys, k, ds * a->queries.values[row + d], ds_size * a->queries.sizes[row + d] * share);
      add_term(&g->values, k, p * factor * dy, p * factor * fabsl(dy) * share);
    }
  }
}

// An operand's gradient, in an array as the operand's, from that of what was multiplied: turned back, through the norm.
// `sums` [B · KV, D] of the weight's gradients, if asked for.
static void expect_operand(check *c, const attention *a, const array *dx, const array *x, ck_index first,
                           ck_index stride, ck_index heads, const array *weight, const array *sums, terms *g,
                           bool accumulates) {
  const ck_index D = a->g.D, group = heads / a->g.KV;
  const real lost = epsilon(c) * (real)(2 * D / c->lanes + 12);
  terms totals = make_terms(a->B * a->g.KV * D);
  for (ck_index row = 0; row < a->B * a->g.T * heads; row++) {
    const ck_index from = first + row / heads * stride + row % heads * D;
    const real r = reciprocal_size(a, x, from);
    real *e = g->values + row * D, *off = g->sizes + row * D, inner = 0, inner_off = 0;
    // What turning and the norm add to it.
    for (ck_index d = 0; d < D && prepares(a); d++) off[d] += lost * fabsl(e[d]);
    turn(a, e, off, row / heads, true);
    for (ck_index d = 0; d < D && a->g.normalizes; d++) {
      const ck_index total = (row / heads / a->g.T * a->g.KV + row % heads / group) * D + d;
      const real n = at(x, from + d) * r, w = weight ? at(weight, d) : 1;
      totals.values[total] += e[d] * n, totals.sizes[total] += (off[d] + lost * fabsl(e[d]) * 3) * fabsl(n);
      inner += e[d] * w * n / (real)D, inner_off += (off[d] + lost * fabsl(e[d])) * fabsl(w * n) / (real)D;
    }
    for (ck_index d = 0; d < D; d++) {
      const real w = weight ? at(weight, d) : 1, n = at(x, from + d) * r;
      const real v = a->g.normalizes ? r * (e[d] * w - n * inner) : e[d];
      const real error = a->g.normalizes ? r * (off[d] * fabsl(w) + lost * (fabsl(e[d] * w) + fabsl(n * inner)) +
                                                fabsl(n) * inner_off)
                                         : off[d];
      const real was = accumulates ? before(dx, from + d) : 0;
      expect_within(c, dx, from + d, was + v,
                    error + smallest_normal(c) + epsilon(c) * fabsl(was) * (real)(accumulates ? a->g.T : 1));
    }
  }
  for (ck_index j = 0; sums && j < sums->count; j++) {
    expect_within(c, sums, j, totals.values[j], totals.sizes[j] + smallest_normal(c));
  }
  forget(totals);
}

// Runs forward, so that backward has what it keeps.
static void run_forward(check *c, const attention *a) {
  const ck_function forward = c->pairs ? ck_widest_pair_table()->attention : c->table->attention;
  const size_t bytes = (size_t)(ck_attention_scratch(c->table, &a->g, c->pairs) * c->size);
  void *room = aligned_alloc(64, (bytes + 63) / 64 * 64);
  forward(&a->g, 0, a->B * a->g.H, room);
  free(room);
}

// Gradients lie as the operands do.
static ck_attention_backward backward_of(check *c, const attention *a, const array *dy, array *d[3]) {
  const bool together = a->q == a->k;
  d[0] = numbers(c, OUTPUT, a->q->count, -1, 1);
  d[1] = together ? d[0] : numbers(c, OUTPUT, a->k->count, -1, 1);
  d[2] = together ? d[0] : numbers(c, OUTPUT, a->v->count, -1, 1);
  return (ck_attention_backward){
    .forward = a->g, .dy = dy->start, .dq = d[0]->start, .dk = address(d[1], a->k_first),
    .dv = address(d[2], a->v_first), .accumulate = chance(c, 0.5),
  };
}

void check_attention_backward(check *c, ck_function kernel) {
  for (int i = 0; i < 50 + c->rounds; i++) {
    const attention a = some_attention(c, true);
    const ck_index units = a.B * a.g.KV, keys = a.B * a.g.T * a.g.KV * a.g.D;
    run_forward(c, &a);
    array *dy = numbers(c, INPUT, a.y->count, -1, 1), *d[3];
    ck_attention_backward g = backward_of(c, &a, dy, d);
    array *q_sums = a.g.normalizes && chance(c, 0.8) ? numbers(c, OUTPUT, units * a.g.D, -1, 1) : NULL;
    array *k_sums = a.g.normalizes && chance(c, 0.8) ? numbers(c, OUTPUT, units * a.g.D, -1, 1) : NULL;
    g.q_weight_sums = start(q_sums), g.k_weight_sums = start(k_sums);
    run_kernel(c, kernel, &g, units, 1, (size_t)(ck_attention_backward_scratch(c->table, &a.g, c->pairs) * c->size),
               false);
    gradients sums = {make_terms(a.y->count), make_terms(keys), make_terms(keys)};
    for (ck_index token = 0; token < a.B * a.g.T; token++) {
      for (ck_index h = 0; h < a.g.H; h++) add_row(c, &a, dy, (query){token, h}, &sums);
    }
    attention plain = a;
    plain.g.normalizes = 0, plain.g.cosines = NULL, plain.g.rotary_size = 0;
    const bool adds = g.accumulate;
    expect_operand(c, &a, d[0], a.q, a.q_first, a.g.q_stride, a.g.H, a.q_weight, q_sums, &sums.queries, adds);
    expect_operand(c, &a, d[1], a.k, a.k_first, a.g.k_stride, a.g.KV, a.k_weight, k_sums, &sums.keys, adds);
    expect_operand(c, &plain, d[2], a.v, a.v_first, a.g.v_stride, a.g.KV, NULL, NULL, &sums.values, adds);
    forget(sums.queries), forget(sums.keys), forget(sums.values), forget(a.queries), forget(a.keys);
  }
}
