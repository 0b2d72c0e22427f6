// Attention over kept keys and values: what is kept, where it lies, and rows over it.
#include "cases.h"

#include <math.h>
#include <string.h>

enum { TEXTS = 3, MOST_KEYS = 160, MOST_COLUMNS = 80 };

// One case: spans of some of the texts. What lies in the arrays of keys and values behind a text is never read.
typedef struct pass {
  ck_cached_attention p;
  ck_span spans[TEXTS];
  array *q, *k, *v, *y, *positions, *q_weight, *k_weight, *cosines, *sines, *keys, *values;
  ck_index q_first, k_first, v_first, blocks;
} pass;

// ---------------------------------------------------------------------------------------------------------
// Cases

static ck_index padded(const check *c, ck_index n) { return (n + c->table->nr - 1) / c->table->nr * c->table->nr; }

static void choose_spans(check *c, pass *a) {
  ck_cached_attention *p = &a->p;
  const ck_index nr = c->table->nr, mr = c->table->mr, counts[] = {1, 1, 2, mr, mr + 1, nr - 1, nr + 1, 4 * mr + 3};
  p->capacity = nr * pick(c, 1, MOST_KEYS / nr);
  p->rows_per_block = 2 * pick(c, 1, 2 * mr);
  p->span_count = pick(c, 1, TEXTS);
  const ck_index first = pick(c, 0, TEXTS - 1);
  for (ck_index s = 0, row = 0; s < p->span_count; s++) {
    ck_index count = counts[pick(c, 0, 7)];
    if (count > p->capacity) count = p->capacity;
    const ck_index rest = p->capacity - count;
    a->spans[s] = (ck_span){row, count, chance(c, 0.3) ? 0 : pick(c, 0, rest), (first + s) % TEXTS, a->blocks};
    row += count;
    a->blocks += (count + p->rows_per_block - 1) / p->rows_per_block;
    const ck_index past = padded(c, a->spans[s].position + count);
    if (past > p->longest) p->longest = past;
    p->attention.T = row;
  }
  if (chance(c, 0.3)) p->longest = p->capacity;
}

static void choose_sizes(check *c, pass *a) {
  ck_attention *g = &a->p.attention;
  g->KV = pick(c, 1, 2);
  g->H = g->KV * (chance(c, 0.2) ? c->table->mr + 1 : pick(c, 1, 3));
  g->D = pick(c, 0, 3) == 0 ? c->lanes : pick(c, 1, 2 * c->lanes + 3);
  g->window = chance(c, 0.5) ? a->p.capacity : pick(c, 1, a->p.capacity);
  g->scale = (double)uniform(c, 0.1L, 1);
  g->normalizes = chance(c, 0.3);
  g->norm_epsilon = 1e-3;
  g->rotary_size = chance(c, 0.4) ? 2 * pick(c, 0, g->D / 2) : 0;
  g->interleaves = chance(c, 0.5);
  a->p.halves = c->size == 4 && !c->pairs && chance(c, 0.4);
}

static void make_rows(check *c, pass *a) {
  ck_attention *g = &a->p.attention;
  const ck_index H = g->H * g->D, KV = g->KV * g->D;
  a->q = a->k = a->v = numbers(c, INPUT, g->T * (H + 2 * KV), -1.5L, 1.5L);
  a->k_first = H, a->v_first = H + KV;
  g->q_stride = g->k_stride = g->v_stride = H + 2 * KV;
  g->q = address(a->q, 0), g->k = address(a->k, a->k_first), g->v = address(a->v, a->v_first);
  a->positions = integers(c, INPUT, g->T, sizeof(int32_t));
  for (ck_index s = 0; s < a->p.span_count; s++) {
    const ck_span span = a->spans[s];
    for (ck_index i = 0; i < span.count; i++) set_integer(a->positions, span.row + i, span.position + i);
  }
  g->positions = (const int32_t *)a->positions->start;
  if (g->normalizes && chance(c, 0.7)) {
    a->q_weight = numbers(c, INPUT, g->D, -2, 2), a->k_weight = numbers(c, INPUT, g->D, -2, 2);
  }
  if (g->rotary_size > 0) {
    a->cosines = numbers(c, INPUT, a->p.capacity * g->rotary_size / 2, -1, 1);
    a->sines = numbers(c, INPUT, a->cosines->count, -1, 1);
    for (ck_index i = 0; i < a->sines->count; i++) {
      const real angle = uniform(c, -3, 3);
      set(a->cosines, i, cosl(angle)), set(a->sines, i, sinl(angle));
    }
  }
  g->q_weight = start(a->q_weight), g->k_weight = start(a->k_weight);
  g->cosines = start(a->cosines), g->sines = start(a->sines);
}

static void make_pass(check *c, pass *a, role kept) {
  *a = (pass){0};
  choose_spans(c, a);
  choose_sizes(c, a);
  ck_cached_attention *p = &a->p;
  const ck_attention *g = &p->attention;
  begin_case(c, "%td spans, the first of %td from %td, H %td, KV %td, D %td, window %td, capacity %td, norm %d, rotary %td%s",
             p->span_count, a->spans[0].count, a->spans[0].position, g->H, g->KV, g->D, g->window, p->capacity,
             g->normalizes, g->rotary_size, p->halves ? ", in halves" : "");
  make_rows(c, a);
  const ck_index heads = TEXTS * g->KV, steps = c->pairs ? (g->D + 1) / 2 : g->D;
  const ck_index rows = c->pairs ? p->capacity / 2 : p->capacity, size = p->halves ? 2 : c->size;
  a->keys = integers(c, kept, heads * p->capacity * steps, (int)size);
  a->values = integers(c, kept, heads * rows * padded(c, g->D), (int)size);
  p->spans = a->spans, p->keys = a->keys->start, p->values = a->values->start;
}

// ---------------------------------------------------------------------------------------------------------
// Where keys and values lie

// A kept number: `cell` counts elements of the array, of which a pair holds two numbers.
typedef struct place { ck_index cell, half; } place;

static place key_place(const check *c, const pass *a, ck_index text, ck_index head, ck_index key, ck_index d) {
  const ck_index nr = c->table->nr, steps = c->pairs ? (a->p.attention.D + 1) / 2 : a->p.attention.D;
  const ck_index panel = (text * a->p.attention.KV + head) * (a->p.capacity / nr) + key / nr;
  return (place){(panel * steps + (c->pairs ? d / 2 : d)) * nr + key % nr, c->pairs ? d % 2 : 0};
}

static place value_place(const check *c, const pass *a, ck_index text, ck_index head, ck_index key, ck_index d) {
  const ck_index nr = c->table->nr, rows = c->pairs ? a->p.capacity / 2 : a->p.capacity;
  const ck_index panel = (text * a->p.attention.KV + head) * (padded(c, a->p.attention.D) / nr) + d / nr;
  return (place){(panel * rows + (c->pairs ? key / 2 : key)) * nr + d % nr, c->pairs ? key % 2 : 0};
}

static bool is_narrow(const check *c, const pass *a) { return c->pairs || a->p.halves; }

static real kept(const check *c, const pass *a, const array *x, place at_place) {
  if (!is_narrow(c, a)) return at(x, at_place.cell);
  uint16_t bits;
  memcpy(&bits, x->start + at_place.cell * x->size + 2 * at_place.half, 2);
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

static void keep(const check *c, const pass *a, array *x, place at_place, real value) {
  if (!is_narrow(c, a)) {
    set(x, at_place.cell, value);
    return;
  }
  const float rounded = (float)bfloat16(value);
  uint32_t wide;
  memcpy(&wide, &rounded, sizeof wide);
  const uint16_t bits = (uint16_t)(wide >> 16);
  memcpy(x->start + at_place.cell * x->size + 2 * at_place.half, &bits, 2);
}

// ---------------------------------------------------------------------------------------------------------
// Rows as they are multiplied

typedef struct row { real values[MOST_COLUMNS], sizes[MOST_COLUMNS]; } row;

static bool prepares(const pass *a) { return a->p.attention.normalizes || a->p.attention.cosines; }

static row prepared(const check *c, const pass *a, const array *x, ck_index first, const array *weight, ck_index token) {
  const ck_attention *g = &a->p.attention;
  row r = {0};
  real squares = 0;
  for (ck_index d = 0; d < g->D; d++) squares += at(x, first + d) * at(x, first + d);
  const real factor = g->normalizes ? 1 / sqrtl(squares / (real)g->D + (real)g->norm_epsilon) : 1;
  for (ck_index d = 0; d < g->D; d++) {
    r.values[d] = at(x, first + d) * factor * (weight ? at(weight, d) : 1);
    r.sizes[d] = fabsl(r.values[d]);
  }
  const ck_index pairs = g->rotary_size / 2, position = integer_at(a->positions, token);
  for (ck_index j = 0; j < pairs; j++) {
    const ck_index m = g->interleaves ? 2 * j : j, n = g->interleaves ? 2 * j + 1 : j + pairs;
    const real cosine = at(a->cosines, position * pairs + j), sine = at(a->sines, position * pairs + j);
    const row old = r;
    r.values[m] = old.values[m] * cosine - old.values[n] * sine;
    r.values[n] = old.values[n] * cosine + old.values[m] * sine;
    r.sizes[m] = r.sizes[n] = old.sizes[m] + old.sizes[n];
  }
  for (ck_index d = 0; d < g->D && c->pairs; d++) r.values[d] = bfloat16(nearest(c, r.values[d]));
  return r;
}

// What normalising and turning may lose, as a share.
static real preparation(const check *c, const pass *a) {
  return prepares(a) ? epsilon(c) * (real)(2 * a->p.attention.D / c->lanes + 12) : 0;
}

// ---------------------------------------------------------------------------------------------------------
// Keeping

static void expect_kept(check *c, const pass *a, const array *x, place at_place, real want, real lost) {
  const real rounding = is_narrow(c, a) ? 0x1p-8L : 0, value = kept(c, a, x, at_place);
  c->comparisons++;
  if (fabsl(value - want) <= lost + (lost > 0 ? rounding * fabsl(want) : 0) + smallest_normal(c)) return;
  if (lost == 0 && value == (is_narrow(c, a) ? bfloat16(want) : want)) return;
  fail(c, "a kept number is %Lg instead of %Lg", value, want);
}

void check_cache_append(check *c, ck_function kernel) {
  for (int i = 0; i < 50 + c->rounds; i++) {
    pass a;
    make_pass(c, &a, OUTPUT);
    const ck_attention *g = &a.p.attention;
    const ck_cache_append append = {a.p};
    run_kernel(c, kernel, &append, a.p.span_count * g->KV, 1,
               (size_t)(ck_cached_attention_scratch(c->table, &a.p, c->pairs) * c->size), false);
    for (ck_index s = 0; s < a.p.span_count; s++) {
      const ck_span span = a.spans[s];
      for (ck_index n = 0; n < span.count * g->KV; n++) {
        const ck_index token = span.row + n / g->KV, head = n % g->KV, key = span.position + n / g->KV;
        const ck_index at_row = token * g->k_stride + head * g->D;
        const row k = prepared(c, &a, a.k, a.k_first + at_row, a.k_weight, token);
        for (ck_index d = 0; d < g->D; d++) {
          const real lost = prepares(&a) ? preparation(c, &a) * k.sizes[d] + smallest_normal(c) : 0;
          expect_kept(c, &a, a.keys, key_place(c, &a, span.sequence, head, key, d), k.values[d], lost);
          expect_kept(c, &a, a.values, value_place(c, &a, span.sequence, head, key, d), at(a.v, a.v_first + at_row + d), 0);
        }
      }
      // What the text had before stays.
      for (ck_index key = 0; key < span.position; key++) {
        for (ck_index n = 0; n < g->KV * g->D; n++) {
          const place k = key_place(c, &a, span.sequence, n / g->D, key, n % g->D);
          const place v = value_place(c, &a, span.sequence, n / g->D, key, n % g->D);
          const size_t width = is_narrow(c, &a) ? 2 : (size_t)c->size;
          const ck_index ko = k.cell * a.keys->size + 2 * k.half, vo = v.cell * a.values->size + 2 * v.half;
          if (memcmp(a.keys->start + ko, a.keys->before + ko, width) != 0) fail(c, "key %td changed", key);
          if (memcmp(a.values->start + vo, a.values->before + vo, width) != 0) fail(c, "value %td changed", key);
        }
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------------------
// Rows over what is kept

// Numbers for every text up to its last row, NaN behind it.
static void fill_kept(check *c, pass *a) {
  memset(a->keys->start, 0xFF, (size_t)(a->keys->count * a->keys->size));
  memset(a->values->start, 0xFF, (size_t)(a->values->count * a->values->size));
  for (ck_index s = 0; s < a->p.span_count; s++) {
    const ck_span span = a->spans[s];
    for (ck_index key = 0; key < span.position + span.count; key++) {
      for (ck_index n = 0; n < a->p.attention.KV * a->p.attention.D; n++) {
        const ck_index head = n / a->p.attention.D, d = n % a->p.attention.D;
        keep(c, a, a->keys, key_place(c, a, span.sequence, head, key, d), uniform(c, -1.5L, 1.5L));
        keep(c, a, a->values, value_place(c, a, span.sequence, head, key, d), uniform(c, -1.5L, 1.5L));
        // The last channel of an odd number makes a pair with a zero.
        const bool is_odd = c->pairs && d == a->p.attention.D - 1 && d % 2 == 0;
        if (is_odd) keep(c, a, a->keys, key_place(c, a, span.sequence, head, key, d + 1), 0);
      }
    }
  }
}

static void expect_row(check *c, const pass *a, const ck_span *span, ck_index token, ck_index h) {
  const ck_attention *g = &a->p.attention;
  const ck_index position = integer_at(a->positions, token), head = h / (g->H / g->KV), D = g->D;
  const ck_index first = position < g->window ? 0 : position - g->window + 1;
  const row q = prepared(c, a, a->q, token * g->q_stride + h * D, a->q_weight, token);
  real p[MOST_KEYS], largest = -INFINITY, sum = 0, spread = 0;
  for (ck_index key = first; key <= position; key++) {
    real score = 0, size = 0;
    for (ck_index d = 0; d < D; d++) {
      const real k = kept(c, a, a->keys, key_place(c, a, span->sequence, head, key, d));
      score += q.values[d] * k, size += q.sizes[d] * fabsl(k);
    }
    p[key] = score * (real)g->scale, largest = fmaxl(largest, p[key]), spread = fmaxl(spread, size * (real)g->scale);
  }
  for (ck_index key = first; key <= position; key++) sum += p[key] = expl(p[key] - largest);
  // A chain of D terms of prepared factors, of which one that was rounded in a pair may be rounded to the other side.
  const real flips = c->pairs && prepares(a) ? 0x1p-8L * fminl(1, 4 / (real)D) : 0;
  const real score_lost = spread * (flips + epsilon(c) * ((real)D / 2 + 4) + preparation(c, a));
  const real lost = 2 * score_lost + epsilon(c) * (22 + spread), rounding = c->pairs ? 0x1p-8L : 0;
  for (ck_index d = 0; d < D; d++) {
    real y = 0, size = 0;
    for (ck_index key = first; key <= position; key++) {
      const real v = p[key] / sum * kept(c, a, a->values, value_place(c, a, span->sequence, head, key, d));
      y += v, size += fabsl(v);
    }
    const real off = size * (lost + rounding + epsilon(c) * (real)((position - first) / 2 + 2));
    expect_within(c, a->y, (token * g->H + h) * D + d, y, off + smallest_normal(c));
  }
}

void check_cached_attention(check *c, ck_function kernel) {
  for (int i = 0; i < 50 + c->rounds; i++) {
    pass a;
    make_pass(c, &a, INPUT);
    const ck_attention *g = &a.p.attention;
    a.y = numbers(c, OUTPUT, g->T * g->H * g->D, -1, 1);
    a.p.attention.y = a.y->start;
    fill_kept(c, &a);
    run_kernel(c, kernel, &a.p, a.blocks * g->H, 1,
               (size_t)(ck_cached_attention_scratch(c->table, &a.p, c->pairs) * c->size), false);
    for (ck_index s = 0; s < a.p.span_count; s++) {
      for (ck_index n = 0; n < a.spans[s].count * g->H; n++) {
        expect_row(c, &a, &a.spans[s], a.spans[s].row + n / g->H, n % g->H);
      }
    }
  }
}
