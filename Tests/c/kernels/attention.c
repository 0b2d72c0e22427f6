// Causal attention, forward and backward.
#include "cases.h"

#include <math.h>
#include <stdlib.h>

// One case, and for one row of one head what the definition gives.
typedef struct attention {
  ck_attention g;
  array *qkv, *y, *maximum, *reciprocal, *dy, *dqkv;
  ck_index B;
} attention;

static attention some_attention(check *c, bool backward) {
  const ck_index mr = c->table->mr, lengths[] = {1, 2, mr - 1, mr, mr + 1, 2 * c->lanes + 1, 4 * mr + 3, 70};
  attention a = {.B = pick(c, 1, 2)};
  a.g.T = chance(c, 0.7) ? lengths[pick(c, 0, 7)] : pick(c, 1, 90);
  a.g.H = pick(c, 1, 3);
  a.g.D = pick(c, 0, 3) == 0 ? c->lanes : pick(c, 1, 2 * c->lanes + 3);
  a.g.scale = (double)uniform(c, 0.1L, 1);
  a.g.dropout_rate = chance(c, 0.3) ? 0.25 : 0;
  a.g.key = 0xFEDCBA9876543210u, a.g.counter1 = 3, a.g.counter2 = 2, a.g.counter3 = 1;
  begin_case(c, "B %td, T %td, H %td, D %td, dropout %g%s", a.B, a.g.T, a.g.H, a.g.D, a.g.dropout_rate,
             backward ? ", backward" : "");
  const ck_index rows = a.B * a.g.T, C = a.g.H * a.g.D;
  a.qkv = numbers(c, INPUT, rows * 3 * C, -1.5L, 1.5L);
  a.y = numbers(c, backward ? INPUT : OUTPUT, rows * C, -1, 1);
  a.maximum = numbers(c, a.y->role, rows * a.g.H, -1, 1);
  a.reciprocal = numbers(c, a.y->role, rows * a.g.H, -1, 1);
  a.g.qkv = a.qkv->start, a.g.y = a.y->start, a.g.maximum = a.maximum->start, a.g.reciprocal_sum = a.reciprocal->start;
  return a;
}

static real multiplied(const check *c, real v) { return c->pairs ? bfloat16(v) : v; }

// Channel d of q (part 0), k (1) or v (2) of a token, as products take it.
static real channel(const check *c, const attention *a, int part, ck_index head, ck_index token, ck_index d) {
  const ck_index b = head / a->g.H, h = head % a->g.H, C = a->g.H * a->g.D;
  return multiplied(c, at(a->qkv, (b * a->g.T + token) * 3 * C + part * C + h * a->g.D + d));
}

static ck_index output_place(const attention *a, ck_index head, ck_index token, ck_index d) {
  return ((head / a->g.H * a->g.T) + token) * a->g.H * a->g.D + head % a->g.H * a->g.D + d;
}

static real dropout_factor(const check *c, const attention *a, ck_index head, ck_index row, ck_index key) {
  if (a->g.dropout_rate == 0) return 1;
  // Each row of each head has whole blocks of its own.
  const uint64_t block = ((uint64_t)head * (uint64_t)a->g.T + (uint64_t)row) * (uint64_t)((a->g.T + 3) / 4);
  const uint32_t word = philox_word(a->g.key, block * 4 + (uint64_t)key, 3, 2, 1);
  return word >= (uint32_t)(a->g.dropout_rate * 4294967296.0) ? nearest(c, 1 / (1 - a->g.dropout_rate)) : 0;
}

// The probabilities of a row before dropout; its largest score, the sum, and the largest Σ|q·k|.
typedef struct row_facts { real p[128], largest, sum, spread; } row_facts;

static row_facts facts_of(const check *c, const attention *a, ck_index head, ck_index row) {
  row_facts f = {.largest = -INFINITY};
  for (ck_index key = 0; key <= row; key++) {
    real score = 0, size = 0;
    for (ck_index d = 0; d < a->g.D; d++) {
      const real v = channel(c, a, 0, head, row, d) * channel(c, a, 1, head, key, d);
      score += v, size += fabsl(v);
    }
    f.p[key] = score * (real)a->g.scale;
    f.largest = fmaxl(f.largest, f.p[key]);
    f.spread = fmaxl(f.spread, size * (real)a->g.scale);
  }
  for (ck_index key = 0; key <= row; key++) f.sum += expl(f.p[key] - f.largest);
  for (ck_index key = 0; key <= row; key++) f.p[key] = expl(f.p[key] - f.largest) / f.sum;
  return f;
}

// How far off a probability may be, as a share of it: scores are chains of D terms, the sum one of `row` exponentials.
static real share_lost(const check *c, const attention *a, const row_facts *f, ck_index row) {
  return epsilon(c) * (6 + f->spread * (real)(a->g.D / 2 + 4) + (real)(row < 32 ? row : 32) / 2);
}

// What rounding a factor to bfloat16 takes, as a share.
static real rounding(const check *c) { return c->pairs ? 0x1p-8L : 0; }

void check_attention(check *c, ck_function kernel) {
  for (int i = 0; i < 30 + c->rounds; i++) {
    const attention a = some_attention(c, false);
    const ck_index heads = a.B * a.g.H;
    const size_t scratch = (size_t)(ck_attention_scratch(c->table, a.g.T, a.g.D, c->pairs) * c->size);
    run_kernel(c, kernel, &a.g, heads, 1, scratch, false);
    for (ck_index head = 0; head < heads; head++) {
      for (ck_index row = 0; row < a.g.T; row++) {
        const row_facts f = facts_of(c, &a, head, row);
        const real lost = share_lost(c, &a, &f, row), at_row = head * a.g.T + row;
        expect_within(c, a.maximum, (ck_index)at_row, f.largest, epsilon(c) * (f.spread * (real)(a.g.D / 2 + 2)));
        expect_within(c, a.reciprocal, (ck_index)at_row, 1 / f.sum, lost / f.sum);
        for (ck_index d = 0; d < a.g.D; d++) {
          real sum = 0, size = 0;
          for (ck_index key = 0; key <= row; key++) {
            const real v = f.p[key] * dropout_factor(c, &a, head, row, key) * channel(c, &a, 2, head, key, d);
            sum += v, size += fabsl(v);
          }
          const real off = size * (lost + rounding(c) + epsilon(c) * (real)(row / 2 + 2));
          expect_within(c, a.y, output_place(&a, head, row, d), sum, off + smallest_normal(c));
        }
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------------------
// Backward

// dqkv of one head, and how far off each may be.
typedef struct gradients { real *values, *sizes; } gradients;

static void add_term(gradients *g, int part, ck_index token, ck_index d, const attention *a, real v, real size) {
  const ck_index place = (part * a->g.T + token) * a->g.D + d;
  g->values[place] += v, g->sizes[place] += size;
}

// Adds what query `row` gives to dq, dk and dv.
static void add_row(const check *c, const attention *a, ck_index head, ck_index row, gradients *g) {
  const row_facts f = facts_of(c, a, head, row);
  const ck_index D = a->g.D;
  // Products of three factors, each rounded in pairs.
  const real share = share_lost(c, a, &f, row) + 3 * rounding(c) + epsilon(c) * (real)(a->g.T / 2 + D / 2 + 8);
  real delta = 0, delta_size = 0;
  for (ck_index d = 0; d < D; d++) {
    const ck_index place = output_place(a, head, row, d);
    delta += at(a->y, place) * at(a->dy, place), delta_size += fabsl(at(a->y, place) * at(a->dy, place));
  }
  for (ck_index key = 0; key <= row; key++) {
    const real factor = dropout_factor(c, a, head, row, key);
    real dp = 0, dp_size = 0;
    for (ck_index d = 0; d < D; d++) {
      const real v = multiplied(c, at(a->dy, output_place(a, head, row, d))) * channel(c, a, 2, head, key, d);
      dp += v, dp_size += fabsl(v);
    }
    const real ds = row == 0 ? 0 : f.p[key] * (dp * factor - delta) * (real)a->g.scale;
    const real ds_size = row == 0 ? 0 : f.p[key] * (dp_size * factor + delta_size) * (real)a->g.scale;
    for (ck_index d = 0; d < D; d++) {
      const real q = channel(c, a, 0, head, row, d), k = channel(c, a, 1, head, key, d);
      const real dy = multiplied(c, at(a->dy, output_place(a, head, row, d)));
      add_term(g, 0, row, d, a, ds * k, ds_size * fabsl(k) * share);
      add_term(g, 1, key, d, a, ds * q, ds_size * fabsl(q) * share);
      add_term(g, 2, key, d, a, f.p[key] * factor * dy, f.p[key] * factor * fabsl(dy) * share);
    }
  }
}

void check_attention_backward(check *c, ck_function kernel) {
  const ck_function forward = c->pairs ? ck_widest_pair_table()->attention : c->table->attention;
  for (int i = 0; i < 30 + c->rounds; i++) {
    attention a = some_attention(c, true);
    const ck_index heads = a.B * a.g.H, T = a.g.T, D = a.g.D, C = a.g.H * D;
    const size_t forward_bytes = (size_t)(ck_attention_scratch(c->table, T, D, c->pairs) * c->size);
    void *room = aligned_alloc(64, (forward_bytes + 63) / 64 * 64);
    forward(&a.g, 0, heads, room);
    free(room);
    a.dy = numbers(c, INPUT, a.B * T * C, -1, 1);
    a.dqkv = numbers(c, OUTPUT, a.B * T * 3 * C, -1, 1);
    const ck_attention_backward g = {a.g, a.dy->start, a.dqkv->start, i % 2};
    const size_t scratch = (size_t)(ck_attention_backward_scratch(c->table, T, D, c->pairs) * c->size);
    run_kernel(c, kernel, &g, heads, 1, scratch, false);
    for (ck_index head = 0; head < heads; head++) {
      gradients sums = {calloc((size_t)(3 * T * D), sizeof(real)), calloc((size_t)(3 * T * D), sizeof(real))};
      for (ck_index row = 0; row < T; row++) add_row(c, &a, head, row, &sums);
      for (ck_index j = 0; j < 3 * T * D; j++) {
        const ck_index part = j / (T * D), token = j / D % T;
        const ck_index place = (head / a.g.H * T + token) * 3 * C + part * C + head % a.g.H * D + j % D;
        const real was = g.accumulate ? before(a.dqkv, place) : 0;
        expect_within(c, a.dqkv, place, was + sums.values[j],
                      sums.sizes[j] + smallest_normal(c) + epsilon(c) * fabsl(was) * (real)(part == 0 ? T : 1));
      }
      free(sums.values);
      free(sums.sizes);
    }
  }
}
