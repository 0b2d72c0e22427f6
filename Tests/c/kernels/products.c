// Packing and matrix products: in the element type to the bit, one chain of multiply-adds an element; in pairs of
// bfloat16 to the rounding of the sums.
#include "cases.h"

#include <math.h>
#include <string.h>

static int step_of(const check *c) { return c->pairs ? 2 : 1; }
static ck_index steps_of(const check *c, ck_index k) { return (k + step_of(c) - 1) / step_of(c); }
static ck_index ceiling(ck_index n, ck_index unit) { return (n + unit - 1) / unit * unit; }

// ---------------------------------------------------------------------------------------------------------
// Packing

// A matrix of `count` rows of A, or columns of B, along k: either direction lies side by side, with a gap behind.
typedef struct matrix { array *elements; ck_index count, k, stride, k_stride; } matrix;

static matrix some_matrix(check *c, role role, ck_index count, ck_index k, bool lies_along_k) {
  const ck_index gap = pick(c, 0, 2) * 3;
  matrix m = {.count = count, .k = k, .stride = lies_along_k ? k + gap : 1, .k_stride = lies_along_k ? 1 : count + gap};
  const ck_index last = (count - 1) * m.stride + (k - 1) * m.k_stride + 1;
  m.elements = numbers(c, role, k > 0 && count > 0 ? last : 1, -1, 1);
  return m;
}

static ck_index place(const matrix *m, ck_index i, ck_index k) { return i * m->stride + k * m->k_stride; }

static ck_operand operand_of(const matrix *m) {
  return (ck_operand){m->elements->start, m->stride, m->k_stride, m->count};
}

// An element as the product takes it.
static real factor(const check *c, const matrix *m, ck_index i, ck_index k, bool rounds) {
  const real v = at(m->elements, place(m, i, k));
  return rounds || c->pairs ? bfloat16(v) : v;
}

void check_gemm_pack(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 4; i++) {
    const bool is_b = i % 2, rounds = c->size == 4 && !c->pairs && chance(c, 0.3);
    const ck_index width = is_b ? c->table->nr : c->table->mr, k = nth_count(c, i / 4) % 300 + 1;
    const ck_index count = chance(c, 0.5) ? pick(c, 1, 2 * width) : pick(c, 1, 8 * width);
    const ck_index panels = (count + width - 1) / width, steps = steps_of(c, k);
    begin_case(c, "%td %s, k %td, along k %d, rounds %d", count, is_b ? "columns" : "rows", k, i % 4 > 1, rounds);
    const matrix m = some_matrix(c, INPUT, count, k, i % 4 > 1);
    if (chance(c, 0.3)) add_specials(c, m.elements, 0.1);
    array *packed = numbers(c, OUTPUT, panels * width * steps, -1, 1);
    const ck_gemm_pack g = {operand_of(&m), packed->start, k, is_b, rounds};
    run_kernel(c, kernel, &g, panels, 1, 0, false);
    for (ck_index j = 0; j < panels * width * steps; j++) {
      const ck_index item = j / (width * steps) * width + j % width, step = j / width % steps;
      if (!c->pairs) {
        expect_same(c, packed, j, item < count ? factor(c, &m, item, step, rounds) : 0);
        continue;
      }
      uint32_t bits;
      memcpy(&bits, address(packed, j), sizeof bits);
      for (int half = 0; half < 2; half++) {
        const uint32_t widened = (half ? bits >> 16 : bits & 0xFFFF) << 16;
        float got;
        memcpy(&got, &widened, sizeof got);
        const bool exists = item < count && 2 * step + half < k;
        const real want = exists ? factor(c, &m, item, 2 * step + half, true) : 0;
        c->comparisons++;
        if (!((isnan(want) && isnan(got)) || (real)got == want)) fail(c, "[%td] half %d is %g, not %Lg", j, half,
            (double)got, want);
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------------------
// Products

// A rule that takes the gradient off the values. `context` says the element's size.
static void take_gradient(const ck_rule *rule, const ck_piece *piece, ck_index first, ck_index stride, ck_index rows,
                          ck_index columns, void *target) {
  const int size = *(const int *)rule->context;
  for (ck_index i = 0; i < rows * columns; i++) {
    const ck_index place = first + i / columns * stride + i % columns;
    if (size == 4) {
      float *value = (float *)piece->value + place, now = *value - ((const float *)piece->gradient)[place];
      *(target ? (float *)target + i : value) = now;
    } else {
      double *value = (double *)piece->value + place, now = *value - ((const double *)piece->gradient)[place];
      *(target ? (double *)target + i : value) = now;
    }
  }
}

// What a product is made of, and what it should give.
typedef struct product {
  ck_gemm g;
  matrix a, b;
  array *c, *bias, *preactivation, *residual, *gated, *gradient, *packed;
  ck_index m, n, k;
  size_t scratch;
} product;

// The longest of the parts into which the threads' own is cut.
static ck_index longest_part(const ck_gemm *g) {
  ck_index longest = 0, begin = 0;
  for (ck_index part = 1; part <= g->parts; part++) {
    ck_index past = g->own.count * part / g->parts / g->part_multiple * g->part_multiple;
    if (part == g->parts) past = g->own.count;
    if (past - begin > longest) longest = past - begin;
    begin = past;
  }
  return longest;
}

static void cut(check *c, product *p, bool halves, bool packs_common, bool gates) {
  ck_gemm *g = &p->g;
  const ck_index own_panel = g->owns_columns ? c->table->nr : c->table->mr;
  const ck_index common_panel = g->owns_columns ? c->table->mr : c->table->nr;
  g->parts = halves ? 2 * pick(c, 1, 2) : pick(c, 1, 3);
  g->part_multiple = !gates && chance(c, 0.5) ? 1 : 16;
  g->own_per_tile = own_panel * pick(c, 1, 3);
  g->tiles_per_part = (longest_part(g) + g->own_per_tile - 1) / g->own_per_tile + pick(c, 0, 1);
  if (g->tiles_per_part == 0) g->tiles_per_part = 1;
  const ck_index steps = steps_of(c, p->k);
  const ck_index copy = packs_common ? 0 : ceiling(ceiling(g->common.count, common_panel) * steps * c->size, 64);
  p->scratch = (size_t)(64 + copy + ceiling(g->own_per_tile * steps * c->size, 64));
}

static const int activations[] = {
  CK_ACTIVATION_NONE, CK_RELU, CK_GELU_TANH, CK_GELU_ERF, CK_TANH, CK_SIGMOID, CK_SILU, CK_RELU_SQUARED,
};

static void add_epilogue(check *c, product *p, ck_index c_count, bool gates) {
  p->bias = chance(c, 0.7) ? numbers(c, INPUT, p->n, -1, 1) : NULL;
  p->preactivation = !gates && chance(c, 0.5) ? numbers(c, OUTPUT, c_count, -1, 1) : NULL;
  p->residual = !gates && chance(c, 0.5) ? numbers(c, INPUT, c_count, -1, 1) : NULL;
  p->gated = gates ? numbers(c, OUTPUT, c_count / 2, -1, 1) : NULL;
  p->g.has_epilogue = 1;
  p->g.epilogue = (ck_epilogue){
    start(p->bias), start(p->preactivation), activations[pick(c, gates, 7)], start(p->residual), start(p->gated),
  };
}

// A pair of C's elements and what is made of it: element j / 2 of the row.
static void expect_gated(check *c, const product *p, ck_index i, ck_index j) {
  const ck_index place = i * p->g.c_stride + j;
  const int op = p->g.epilogue.activation;
  const real x = at(p->c, place), factor = at(p->c, place + 1), v = activation(op, x) * factor;
  if (!is_plain_gate(c, op, x, factor)) return;
  expect_within(c, p->gated, place / 2, v, activation_tolerance(c, op, x) * fabsl(factor) + 0.501L * ulp(c, v));
}

// Element (i, j) of the sum over [first, past) of k that begins at `sum`: a chain of multiply-adds in the type. `size`
// becomes the sum of the terms' sizes.
static real chain(const check *c, const product *p, ck_index i, ck_index j, ck_index first, ck_index past, real sum,
    real *size) {
  for (ck_index k = first; k < past; k++) {
    const real x = factor(c, &p->a, i, k, p->g.rounds), y = factor(c, &p->b, j, k, p->g.rounds);
    sum = c->pairs ? sum + x * y : multiply_add(c, x, y, sum);
    *size += fabsl(x * y);
  }
  return sum;
}

static void expect_element(check *c, const product *p, ck_index i, ck_index j) {
  const ck_index place = i * p->g.c_stride + j, half = p->g.first_half;
  const bool is_whole = !half && p->g.onto != CK_ADDS;
  real size = 0, v = chain(c, p, i, j, 0, half ? half : p->k, p->g.onto == CK_CONTINUES ? before(p->c, place) : 0,
      &size);
  if (half) v = sum_of(c, v, chain(c, p, i, j, half, p->k, 0, &size));
  else if (!is_whole) v = sum_of(c, before(p->c, place), v);
  // Sums of pairs are rounded after each product.
  const real off = c->pairs ? epsilon(c) * (size + fabsl(before(p->c, place))) * (real)(p->k / 2 + 2) : 0;
  if (!p->g.has_epilogue) {
    if (c->pairs) expect_within(c, p->c, place, v, off);
    else expect_same(c, p->c, place, v);
    return;
  }
  if (p->bias) v = sum_of(c, v, at(p->bias, j));
  if (p->gated) {
    if (c->pairs) expect_within(c, p->c, place, v, off + ulp(c, v));
    else expect_same(c, p->c, place, v);
    if (j % 2 == 0) expect_gated(c, p, i, j);
    return;
  }
  if (p->preactivation && c->pairs) expect_within(c, p->preactivation, place, v, off + ulp(c, v));
  else if (p->preactivation) expect_same(c, p->preactivation, place, v);
  if (p->preactivation) v = at(p->preactivation, place);
  const int op = p->g.epilogue.activation;
  const real y = activation(op, v), was = p->residual ? at(p->residual, place) : 0;
  const real steep = 1.2L * fmaxl(1, fabsl(activation_slope(op, v)));
  const real error = activation_tolerance(c, op, v) + (p->preactivation ? 0 : steep * (off + ulp(c, v) * c->pairs));
  expect_within(c, p->c, place, y + was, error + (p->residual ? 0.501L * ulp(c, y + was) : 0));
}

static void expect_product(check *c, const product *p) {
  for (ck_index i = 0; i < p->m; i++) {
    for (ck_index j = 0; j < p->g.c_stride && i * p->g.c_stride + j < p->c->count; j++) {
      const ck_index place = i * p->g.c_stride + j;
      if (j < p->n) expect_element(c, p, i, j);
      else expect_unchanged(c, p->c, place);
      if (j >= p->n && p->preactivation) expect_unchanged(c, p->preactivation, place);
      if (j >= p->n && p->gated && j % 2 == 0) expect_unchanged(c, p->gated, place / 2);
    }
  }
}

// Where the own operand is a parameter: every element has been updated once.
static void expect_updated(check *c, const product *p) {
  for (ck_index i = 0; i < p->n; i++) {
    for (ck_index k = 0; k < p->k; k++) {
      const ck_index at_k = place(&p->b, i, k);
      expect_same(c, p->b.elements, at_k, sum_of(c, before(p->b.elements, at_k), -at(p->gradient, at_k)));
    }
  }
}

static const ck_function *packing_of(const check *c) {
  return c->pairs ? &ck_widest_pair_table()->gemm_pack : &c->table->gemm_pack;
}

// One product in one call of the kernel.
static void check_product(check *c, ck_function kernel, ck_index m, ck_index n, ck_index k) {
  product p = {.m = m, .n = n, .k = k};
  ck_gemm *g = &p.g;
  const bool updates = k > 0 && chance(c, 0.15), packs_common = chance(c, 0.5);
  g->owns_columns = updates || chance(c, 0.5);
  g->onto = updates ? CK_WRITES : (ck_onto)pick(c, 0, 2);
  g->rounds = c->size == 4 && !c->pairs && chance(c, 0.2);
  const bool has_epilogue = chance(c, 0.5), gates = has_epilogue && chance(c, 0.3);
  // A gate's columns are pairs.
  if (gates) n += n % 2, p.n = n;
  g->passes_caches = !has_epilogue && g->onto == CK_WRITES && chance(c, 0.4);
  g->k = k;
  g->c_stride = chance(c, 0.5) ? ceiling(n, 16) : n + (gates ? 2 * pick(c, 0, 2) : pick(c, 0, 5));
  begin_case(c, "%td × %td × %td, owns %s, packed %d, onto %d, epilogue %d, gates %d, update %d, rounds %d, passes %d, "
             "stride %td", m, n, k, g->owns_columns ? "columns" : "rows", packs_common, g->onto, has_epilogue, gates,
             updates, g->rounds, g->passes_caches, g->c_stride);
  p.c = numbers(c, OUTPUT, (m - 1) * g->c_stride + n, -1, 1);
  p.a = some_matrix(c, INPUT, m, k, chance(c, 0.5));
  p.b = some_matrix(c, updates ? OUTPUT : INPUT, n, k, updates || chance(c, 0.5));
  if (chance(c, 0.1) && !updates) add_specials(c, p.a.elements, 0.02);
  if (chance(c, 0.1) && !updates) add_specials(c, p.b.elements, 0.02);
  if (has_epilogue) add_epilogue(c, &p, p.c->count, gates);
  g->c = p.c->start;
  g->own = operand_of(g->owns_columns ? &p.b : &p.a);
  g->common = operand_of(g->owns_columns ? &p.a : &p.b);
  cut(c, &p, false, packs_common, gates);
  ck_piece piece = {0};
  const ck_rule rule = {.pieces = &piece, .update = take_gradient, .context = &c->size, .step = 1};
  if (updates) {
    p.gradient = numbers(c, INPUT, p.b.elements->count, -1, 1);
    piece = (ck_piece){.value = p.b.elements->start, .gradient = p.gradient->start, .count = p.b.elements->count};
    g->update = &rule;
  }
  if (packs_common) {
    const ck_index width = g->owns_columns ? c->table->mr : c->table->nr, panels = (g->common.count
        + width - 1) / width;
    p.packed = numbers(c, INPUT, panels * width * steps_of(c, k), -1, 1);
    (*packing_of(c))(&(ck_gemm_pack){g->common, p.packed->start, k, !g->owns_columns, g->rounds}, 0, panels, NULL);
    g->packed_common = p.packed->start;
  }
  run_kernel(c, kernel, g, g->parts * g->tiles_per_part, 1, p.scratch, true);
  expect_product(c, &p);
  if (updates) expect_updated(c, &p);
}

// One product over halves of k, in two.
static void check_halves(check *c, ck_function kernel, ck_index m, ck_index n, ck_index k) {
  product p = {.m = m, .n = n, .k = k};
  ck_gemm *g = &p.g;
  g->owns_columns = chance(c, 0.5);
  g->first_half = ceiling(k / 2, step_of(c));
  g->k = k;
  g->c_stride = n;
  g->passes_caches = chance(c, 0.5);
  begin_case(c, "%td × %td × %td in halves, owns %s", m, n, k, g->owns_columns ? "columns" : "rows");
  p.c = numbers(c, OUTPUT, m * n, -1, 1);
  p.a = some_matrix(c, INPUT, m, k, chance(c, 0.5));
  p.b = some_matrix(c, INPUT, n, k, chance(c, 0.5));
  g->c = p.c->start;
  g->own = operand_of(g->owns_columns ? &p.b : &p.a);
  g->common = operand_of(g->owns_columns ? &p.a : &p.b);
  cut(c, &p, true, false, false);
  run_kernel(c, kernel, g, g->parts * g->tiles_per_part, 1, p.scratch, true);
  g->onto = CK_ADDS;
  g->rotation = g->parts / 2;
  g->passes_caches = 0;
  run_kernel(c, kernel, g, g->parts * g->tiles_per_part, 1, p.scratch, true);
  expect_product(c, &p);
}

void check_gemm(check *c, ck_function kernel) {
  const ck_index mr = c->table->mr, nr = c->table->nr;
  const ck_index rows[] = {1, mr - 1, mr, mr + 1, 2 * mr + 1}, columns[] = {1, nr / 2, nr / 2 + 1, nr - 1, nr, nr + 1,
      3 * nr - 2};
  for (ck_index i = 0; i < 5; i++) {
    for (ck_index j = 0; j < 7; j++) check_product(c, kernel, rows[i], columns[j], pick(c, 0, 1) * 2 + 3 * i + 5 * j);
  }
  for (int i = 0; i < 40 + c->rounds; i++) {
    check_product(c, kernel, pick(c, 1, 4 * mr + 3), pick(c, 1, 4 * nr + 3), pick(c, 0, 70));
    check_halves(c, kernel, pick(c, 1, 3 * mr + 3), pick(c, 1, 3 * nr + 3), pick(c, 2, 50));
  }
}
