// Broadcasting, transposing, and what is formed over axes.
#include "cases.h"

#include <math.h>

// ---------------------------------------------------------------------------------------------------------
// Shapes

typedef struct axes { int rank; ck_index shape[CK_MAX_RANK], strides[CK_MAX_RANK], count; } axes;

static axes some_axes(check *c, int rank, ck_index last) {
  axes a = {.rank = rank, .count = 1};
  for (int axis = 0; axis < rank; axis++) {
    a.shape[axis] = axis == rank - 1 ? last : pick(c, 1, 4);
    a.count *= a.shape[axis];
  }
  return a;
}

// Strides of an array that has these axes in any order, some repeated where `repeats`; returns how many elements it
// has.
static ck_index some_strides(check *c, const axes *a, bool repeats, ck_index *strides) {
  int order[CK_MAX_RANK];
  for (int axis = 0; axis < a->rank; axis++) order[axis] = axis;
  for (int axis = a->rank - 1; axis > 0 && chance(c, 0.5); axis--) {
    const int other = (int)pick(c, 0, axis), kept = order[axis];
    order[axis] = order[other], order[other] = kept;
  }
  ck_index stride = 1;
  for (int i = a->rank - 1; i >= 0; i--) {
    const int axis = order[i];
    const bool repeated = repeats && chance(c, 0.3);
    strides[axis] = repeated ? 0 : stride;
    if (!repeated) stride *= a->shape[axis];
  }
  return stride;
}

// Where element `i`, counted in order, lies.
static ck_index offset(ck_index i, int rank, const ck_index *shape, const ck_index *strides) {
  ck_index place = 0;
  for (int axis = rank - 1; axis >= 0; axis--) place += i % shape[axis] * strides[axis], i /= shape[axis];
  return place;
}

static ck_index units_of(const axes *a) { return a->rank == 1 ? a->count : a->count / a->shape[a->rank - 1]; }

static ck_index multiple_of(const axes *a) { return a->rank == 1 ? 64 : 1; }

// ---------------------------------------------------------------------------------------------------------
// Two operands

#define BINARY(CASE) \
  CASE(CK_ADD, "add") CASE(CK_SUBTRACT, "subtract") CASE(CK_MULTIPLY, "multiply") CASE(CK_DIVIDE, "divide") \
  CASE(CK_NEGATED_PRODUCT, "negated product") CASE(CK_POWER, "power") CASE(CK_POWER_BASE_SLOPE, "base slope") \
  CASE(CK_POWER_EXPONENT_SLOPE, "exponent slope") CASE(CK_LESS, "less") CASE(CK_LESS_EQUAL, "less or equal") \
  CASE(CK_EQUAL, "equal") CASE(CK_NOT_EQUAL, "not equal") CASE(CK_KEEP_WHERE, "keep where") \
  CASE(CK_KEEP_UNLESS, "keep unless")

static const char *name_of(ck_binary_op op) {
  switch (op) {
#define CASE(OP, NAME) case OP: return NAME;
    BINARY(CASE)
#undef CASE
  }
  return "?";
}

static const ck_binary_op operations[] = {
#define CASE(OP, NAME) OP,
  BINARY(CASE)
#undef CASE
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static bool is_power(ck_binary_op op) {
  return op == CK_POWER || op == CK_POWER_BASE_SLOPE || op == CK_POWER_EXPONENT_SLOPE;
}

static real combined(ck_binary_op op, real a, real b) {
  switch (op) {
  case CK_ADD: return a + b;
  case CK_SUBTRACT: return a - b;
  case CK_MULTIPLY: return a * b;
  case CK_DIVIDE: return a / b;
  case CK_NEGATED_PRODUCT: return -(a * b);
  case CK_POWER: return powl(a, b);
  case CK_POWER_BASE_SLOPE: return b == 0 ? 0 : b * powl(a, b - 1);
  case CK_POWER_EXPONENT_SLOPE: return a == 0 && b >= 0 ? 0 : powl(a, b) * logl(a);
  case CK_LESS: return a < b;
  case CK_LESS_EQUAL: return a <= b;
  case CK_EQUAL: return a == b;
  case CK_NOT_EQUAL: return a != b;
  case CK_KEEP_WHERE: return a != 0 ? b : -0.0L;
  case CK_KEEP_UNLESS: return a != 0 ? -0.0L : b;
  }
  return NAN;
}

static real tolerance_of(const check *c, ck_binary_op op, real a, real b, real v) {
  const real unit = ulp(c, v);
  if (op == CK_POWER) return b == 1 ? 0 : b == 2 ? 0.501L * unit : 1.5L * unit;
  // The exponent b − 1 is rounded; log has an ulp of its own.
  if (op == CK_POWER_BASE_SLOPE) return (3 + 4 * fabsl(a > 0 ? logl(a) : 0)) * unit;
  if (op == CK_POWER_EXPONENT_SLOPE) return 4 * unit;
  return 0.501L * unit;
}

void check_binary(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * OPERATIONS; i++) {
    const ck_binary_op op = operations[i % OPERATIONS];
    const axes axes = some_axes(c, (int)pick(c, 1, 4), nth_count(c, i / OPERATIONS));
    ck_binary g = {.op = op, .rank = axes.rank, .accumulate = chance(c, 0.5)};
    begin_case(c, "%s, rank %d, %td elements, last axis %td, accumulate %d", name_of(op), axes.rank, axes.count,
               axes.shape[axes.rank - 1], g.accumulate);
    const ck_index a_count = some_strides(c, &axes, true, g.a_strides), b_count = some_strides(c, &axes, true,
        g.b_strides);
    for (int axis = 0; axis < axes.rank; axis++) g.shape[axis] = axes.shape[axis];
    array *y = numbers(c, OUTPUT, axes.count, -1, 1);
    array *a = numbers(c, INPUT, a_count, is_power(op) ? 0.125 : -2, is_power(op) ? 8 : 2);
    array *b = numbers(c, INPUT, b_count, -4, 4);
    for (ck_index j = 0; j < b_count; j++) {
      if (is_power(op) && chance(c, 0.4)) set(b, j, pick(c, -1, 3));
      if (!is_power(op) && chance(c, 0.2)) set(b, j, at(a, pick(c, 0, a_count - 1)));
    }
    for (ck_index j = 0; j < a_count; j++) if (is_power(op) && chance(c, 0.1)) set(a, j, 0);
    if (!is_power(op) && chance(c, 0.5)) add_specials(c, a, 0.2), add_specials(c, b, 0.2);
    g.y = y->start, g.a = a->start, g.b = b->start;
    run_kernel(c, kernel, &g, units_of(&axes), multiple_of(&axes), 0, false);
    for (ck_index j = 0; j < axes.count; j++) {
      const real x = at(a, offset(j, axes.rank, g.shape, g.a_strides));
      const real z = at(b, offset(j, axes.rank, g.shape, g.b_strides)), v = combined(op, x, z);
      const real want = g.accumulate ? before(y, j) + v : v;
      expect_within(c, y, j, want, tolerance_of(c, op, x, z, v) + (g.accumulate ? 0.501L * ulp(c, want) : 0));
      if (!g.accumulate && v == 0 && !is_power(op)) expect_same(c, y, j, v);
    }
  }
}

void check_strided_copy(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 3; i++) {
    const axes axes = some_axes(c, (int)pick(c, 1, 4), nth_count(c, i / 3));
    ck_strided_copy g = {.rank = axes.rank, .accumulate = chance(c, 0.5), .scale = i % 3 ? 1 : -1.75};
    begin_case(c, "rank %d, %td elements, accumulate %d", axes.rank, axes.count, g.accumulate);
    const ck_index x_count = some_strides(c, &axes, true, g.x_strides);
    for (int axis = 0; axis < axes.rank; axis++) g.shape[axis] = axes.shape[axis];
    array *y = numbers(c, OUTPUT, axes.count, -1, 1), *x = numbers(c, INPUT, x_count, -2, 2);
    if (chance(c, 0.3)) add_specials(c, x, 0.2);
    g.y = y->start, g.x = x->start;
    run_kernel(c, kernel, &g, units_of(&axes), multiple_of(&axes), 0, false);
    for (ck_index j = 0; j < axes.count; j++) {
      const real v = product_of(c, g.scale, at(x, offset(j, axes.rank, g.shape, g.x_strides)));
      expect_same(c, y, j, g.accumulate ? sum_of(c, before(y, j), v) : v);
    }
  }
}

void check_strided_write(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 3; i++) {
    const axes axes = some_axes(c, (int)pick(c, 1, 4), nth_count(c, i / 3));
    ck_strided_write g = {.rank = axes.rank, .accumulate = chance(c, 0.5)};
    begin_case(c, "rank %d, %td elements, accumulate %d", axes.rank, axes.count, g.accumulate);
    // Twice as far apart as necessary: what lies between stays.
    const ck_index apart = pick(c, 1, 2), y_count = (some_strides(c, &axes, false, g.y_strides) - 1) * apart + 1;
    for (int axis = 0; axis < axes.rank; axis++) g.shape[axis] = axes.shape[axis], g.y_strides[axis] *= apart;
    array *y = numbers(c, OUTPUT, y_count, -1, 1), *x = numbers(c, INPUT, axes.count, -2, 2);
    if (chance(c, 0.3)) add_specials(c, x, 0.2);
    g.y = y->start, g.x = x->start;
    run_kernel(c, kernel, &g, units_of(&axes), multiple_of(&axes), 0, false);
    for (ck_index j = 0; j < axes.count; j++) {
      const ck_index place = offset(j, axes.rank, g.shape, g.y_strides);
      expect_same(c, y, place, g.accumulate ? sum_of(c, before(y, place), at(x, j)) : at(x, j));
    }
    for (ck_index j = 0; j < y_count; j++) if (j % apart) expect_unchanged(c, y, j);
  }
}

// ---------------------------------------------------------------------------------------------------------
// Over axes

typedef struct reduction {
  int kept_rank, reduced_rank;
  ck_index inner, rows, terms, x_count;
  ck_index kept_shape[CK_MAX_RANK], kept_strides[CK_MAX_RANK], reduced_shape[CK_MAX_RANK], reduced_strides[CK_MAX_RANK];
} reduction;

enum { MOST_ELEMENTS = 100000 };

// Kept and reduced axes, each in any place of x, `inner` last.
static reduction some_reduction(check *c, ck_index longest, bool repeats) {
  reduction r = {.kept_rank = (int)pick(c, 0, 3), .reduced_rank = (int)pick(c, 1, 3), .rows = 1, .terms = 1};
  r.inner = chance(c, 0.5) ? 1 : pick(c, 2, 150);
  axes all = {.rank = r.kept_rank + r.reduced_rank, .count = 1};
  for (int axis = 0; axis < all.rank; axis++) {
    const bool is_last = axis == all.rank - 1;
    all.shape[axis] = is_last ? longest : pick(c, 1, 3);
    if (axis < r.kept_rank) r.rows *= all.shape[axis];
    else r.terms *= all.shape[axis];
  }
  ck_index strides[CK_MAX_RANK];
  const ck_index count = some_strides(c, &all, repeats, strides);
  if (count * r.inner > MOST_ELEMENTS) r.inner = 2;
  r.x_count = count * r.inner;
  for (int axis = 0; axis < all.rank; axis++) {
    const bool kept = axis < r.kept_rank;
    (kept ? r.kept_shape : r.reduced_shape)[axis - (kept ? 0 : r.kept_rank)] = all.shape[axis];
    (kept ? r.kept_strides : r.reduced_strides)[axis - (kept ? 0 : r.kept_rank)] = strides[axis] * r.inner;
  }
  return r;
}

static ck_index blocks_of(const reduction *r) { return r->rows * ((r->inner + 63) / 64); }

// Where term `term` of output `i` lies.
static ck_index term_place(const reduction *r, ck_index i, ck_index term) {
  return offset(i / r->inner, r->kept_rank, r->kept_shape, r->kept_strides) + i % r->inner +
         offset(term, r->reduced_rank, r->reduced_shape, r->reduced_strides);
}

#define COPY_REDUCTION(g, r) \
  do { \
    (g).kept_rank = (r).kept_rank, (g).reduced_rank = (r).reduced_rank, (g).inner = (r).inner; \
    for (int axis = 0; axis < CK_MAX_RANK; axis++) { \
      (g).kept_shape[axis] = (r).kept_shape[axis], (g).kept_strides[axis] = (r).kept_strides[axis]; \
      (g).reduced_shape[axis] = (r).reduced_shape[axis], (g).reduced_strides[axis] = (r).reduced_strides[axis]; \
    } \
  } while (0)

void check_sum(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 4; i++) {
    const reduction r = some_reduction(c, nth_count(c, i / 4) % 200 + 1, true);
    ck_sum g = {.accumulate = chance(c, 0.5), .scale = chance(c, 0.5) ? 1 : -0.75,
                .divisor = chance(c, 0.5) ? 1 : (double)r.terms};
    begin_case(c, "%td rows of %td, %td terms in %d axes, accumulate %d", r.rows, r.inner, r.terms, r.reduced_rank,
               g.accumulate);
    COPY_REDUCTION(g, r);
    array *y = numbers(c, OUTPUT, r.rows * r.inner, -1, 1), *x = numbers(c, INPUT, r.x_count, -1, 1);
    if (chance(c, 0.2)) set(x, pick(c, 0, r.x_count - 1), chance(c, 0.5) ? INFINITY : NAN);
    g.y = y->start, g.x = x->start;
    run_kernel(c, kernel, &g, blocks_of(&r), 1, 0, false);
    for (ck_index j = 0; j < r.rows * r.inner; j++) {
      real sum = 0, sizes = 0;
      for (ck_index term = 0; term < r.terms; term++) {
        const real v = at(x, term_place(&r, j, term));
        sum += v, sizes += fabsl(v);
      }
      const real v = (real)g.scale * sum / (real)g.divisor, lost = sizes * (real)r.terms * 0x1p-53L;
      // Right to the last digit: floats are added in double, doubles with what they lose.
      const real error = c->size == 4 ? 0.501L * ulp(c, v) + lost : 2 * ulp(c, v) + lost * 0x1p-9L;
      const real want = g.accumulate ? before(y, j) + v : v;
      expect_within(c, y, j, want, error + (g.accumulate ? 0.501L * ulp(c, want) : 0));
    }
  }
}

// The first place of the largest (smallest) term; NaN beats every number.
static ck_index winner_of(const reduction *r, const array *x, ck_index i, bool minimum) {
  ck_index winner = 0;
  for (ck_index term = 1; term < r->terms; term++) {
    const real best = at(x, term_place(r, i, winner)), v = at(x, term_place(r, i, term));
    if (isnan(best)) break;
    if (isnan(v) || (minimum ? v < best : v > best)) winner = term;
  }
  return winner;
}

// Few values, so that many are equal.
static void fill_with_few(check *c, array *x) {
  for (ck_index j = 0; j < x->count; j++) set(x, j, chance(c, 0.05) ? -0.0L : (real)pick(c, -3, 3));
  if (chance(c, 0.5)) add_specials(c, x, 0.02);
}

void check_extremum(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 4; i++) {
    const reduction r = some_reduction(c, nth_count(c, i / 4) % 200 + 1, true);
    ck_extremum g = {.minimum = i % 2};
    begin_case(c, "%s, %td rows of %td, %td terms in %d axes", g.minimum ? "min" : "max", r.rows, r.inner, r.terms,
               r.reduced_rank);
    COPY_REDUCTION(g, r);
    array *y = numbers(c, OUTPUT, r.rows * r.inner, -1, 1), *places = integers(c, OUTPUT, r.rows * r.inner, c->size);
    array *x = numbers(c, INPUT, r.x_count, -1, 1);
    fill_with_few(c, x);
    g.y = y->start, g.places = places->start, g.x = x->start;
    run_kernel(c, kernel, &g, blocks_of(&r), 1, 0, false);
    for (ck_index j = 0; j < r.rows * r.inner; j++) {
      const ck_index winner = winner_of(&r, x, j, g.minimum);
      expect_integer(c, places, j, winner);
      expect_same(c, y, j, at(x, term_place(&r, j, winner)));
    }
  }
}

void check_extremum_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 4; i++) {
    const reduction r = some_reduction(c, nth_count(c, i / 4) % 200 + 1, false);
    ck_extremum_backward g = {0};
    begin_case(c, "%td rows of %td, %td terms in %d axes", r.rows, r.inner, r.terms, r.reduced_rank);
    COPY_REDUCTION(g.forward, r);
    array *dx = numbers(c, OUTPUT, r.x_count, -1, 1), *dy = numbers(c, INPUT, r.rows * r.inner, -1, 1);
    array *places = integers(c, INPUT, r.rows * r.inner, c->size);
    for (ck_index j = 0; j < places->count; j++) set_integer(places, j, pick(c, 0, r.terms - 1));
    g.dx = dx->start, g.dy = dy->start, g.forward.places = places->start;
    run_kernel(c, kernel, &g, blocks_of(&r), 1, 0, false);
    // Each x belongs to one output: what is no output's place stays.
    for (ck_index j = 0; j < r.rows * r.inner; j++) {
      for (ck_index term = 0; term < r.terms; term++) {
        const ck_index place = term_place(&r, j, term);
        const real was = before(dx, place);
        if (term == integer_at(places, j)) expect_same(c, dx, place, sum_of(c, was, at(dy, j)));
        else expect_unchanged(c, dx, place);
      }
    }
  }
}
