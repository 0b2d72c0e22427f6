// Softmax and its kin.
#include "cases.h"

#include <math.h>

// Rows of x with scores of some size; some rows are −∞ altogether or in places, some have a NaN.
static array *scores(check *c, role role, ck_index rows, ck_index columns) {
  array *x = numbers(c, role, rows * columns, -1, 1);
  for (ck_index row = 0; row < rows; row++) {
    const real size = chance(c, 0.3) ? 60 : 4;
    for (ck_index j = 0; j < columns; j++) set(x, row * columns + j, uniform(c, -size, size));
    if (chance(c, 0.1)) for (ck_index j = 0; j < columns; j++) set(x, row * columns + j, -INFINITY);
    if (chance(c, 0.2)) set(x, row * columns + pick(c, 0, columns - 1), -INFINITY);
    if (chance(c, 0.05)) set(x, row * columns + pick(c, 0, columns - 1), NAN);
  }
  return x;
}

typedef struct row_facts { real largest, sum; bool none, nan; } row_facts;

static row_facts facts_of(const array *x, ck_index first, ck_index columns) {
  row_facts f = {.largest = -INFINITY};
  for (ck_index j = 0; j < columns; j++) {
    const real v = at(x, first + j);
    f.nan |= isnan(v);
    if (v > f.largest) f.largest = v;
  }
  f.none = f.largest == -INFINITY;
  if (f.none) return f;
  for (ck_index j = 0; j < columns; j++) f.sum += expl(at(x, first + j) - f.largest);
  return f;
}

// How far off a sum of `columns` exponentials may be, as a share of it: each has 1.25 ulps and the rounding of x − max;
// at most 32 are added up in the type.
static real share_lost(const check *c, ck_index columns, real spread) {
  return epsilon(c) * (real)(2 + (columns < 32 ? columns : 32) / 2 + spread / 2);
}

void check_softmax(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index columns = nth_count(c, i), rows = pick(c, 1, 6);
    begin_case(c, "%td rows of %td", rows, columns);
    array *y = numbers(c, OUTPUT, rows * columns, -1, 1), *x = scores(c, INPUT, rows, columns);
    run_kernel(c, kernel, &(ck_softmax){y->start, x->start, columns}, rows, 1, 0, false);
    for (ck_index j = 0; j < rows * columns; j++) {
      const row_facts f = facts_of(x, j / columns * columns, columns);
      if (f.nan) {
        expect_same(c, y, j, NAN);
      } else if (f.none) {
        expect_same(c, y, j, 0);
      } else {
        const real spread = f.largest - at(x, j), v = expl(-spread) / f.sum;
        const real share = share_lost(c, columns, 60) + epsilon(c) * (2 + (isfinite(spread) ? spread / 2 : 0));
        expect_within(c, y, j, v, v * share + smallest_normal(c));
      }
    }
  }
}

void check_softmax_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index columns = nth_count(c, i), rows = pick(c, 1, 6);
    const int accumulates = i % 2;
    begin_case(c, "%td rows of %td, accumulate %d", rows, columns, accumulates);
    array *dx = numbers(c, OUTPUT, rows * columns, -1, 1), *dy = numbers(c, INPUT, rows * columns, -1, 1);
    array *y = numbers(c, INPUT, rows * columns, 0, 2 / (real)columns);
    const ck_softmax_backward g = {dx->start, dy->start, y->start, columns, accumulates};
    run_kernel(c, kernel, &g, rows, 1, 0, false);
    for (ck_index j = 0; j < rows * columns; j++) {
      real dot = 0, sizes = 0;
      for (ck_index l = j / columns * columns; l < (j / columns + 1) * columns; l++) {
        dot += at(dy, l) * at(y, l), sizes += fabsl(at(dy, l) * at(y, l));
      }
      const real v = at(y, j) * (at(dy, j) - dot), was = accumulates ? before(dx, j) : 0;
      expect_within(c, dx, j, was + v, epsilon(c) * (at(y, j) * (sizes * 18 + fabsl(at(dy, j)) * 2 + fabsl(dot)) +
                                                     fabsl(was + v)));
    }
  }
}

void check_log_softmax(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index columns = nth_count(c, i), rows = pick(c, 1, 6);
    begin_case(c, "%td rows of %td", rows, columns);
    array *y = numbers(c, OUTPUT, rows * columns, -1, 1), *x = scores(c, INPUT, rows, columns);
    run_kernel(c, kernel, &(ck_log_softmax){y->start, x->start, columns}, rows, 1, 0, false);
    for (ck_index j = 0; j < rows * columns; j++) {
      const row_facts f = facts_of(x, j / columns * columns, columns);
      if (f.nan || f.none) {
        expect_same(c, y, j, f.nan ? NAN : -INFINITY);
        continue;
      }
      const real shifted = at(x, j) - f.largest, v = shifted - logl(f.sum);
      expect_within(c, y, j, v, isinf(v) ? 0 : share_lost(c, columns, 60) + ulp(c, shifted) + ulp(c, v) + 2 * ulp(c,
          logl(f.sum)));
    }
  }
}

void check_log_softmax_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index columns = nth_count(c, i), rows = pick(c, 1, 6);
    const int accumulates = i % 2;
    begin_case(c, "%td rows of %td, accumulate %d", rows, columns, accumulates);
    array *dx = numbers(c, OUTPUT, rows * columns, -1, 1), *dy = numbers(c, INPUT, rows * columns, -1, 1);
    array *y = numbers(c, INPUT, rows * columns, -8, 0);
    const ck_log_softmax_backward g = {dx->start, dy->start, y->start, columns, accumulates};
    run_kernel(c, kernel, &g, rows, 1, 0, false);
    for (ck_index j = 0; j < rows * columns; j++) {
      real sum = 0, sizes = 0;
      for (ck_index l = j / columns * columns; l < (j / columns + 1) * columns; l++) {
        sum += at(dy, l), sizes += fabsl(at(dy, l));
      }
      const real p = expl(at(y, j)), v = at(dy, j) - p * sum, was = accumulates ? before(dx, j) : 0;
      expect_within(c, dx, j, was + v, epsilon(c) * (p * sizes * 20 + fabsl(at(dy, j)) + fabsl(was + v)));
    }
  }
}

void check_log_sum_exp(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 2; i++) {
    const ck_index columns = nth_count(c, i / 2), rows = pick(c, 1, 6);
    begin_case(c, "%td rows of %td", rows, columns);
    array *y = numbers(c, OUTPUT, rows, -1, 1), *x = scores(c, INPUT, rows, columns);
    if (chance(c, 0.2)) set(x, pick(c, 0, x->count - 1), INFINITY);
    run_kernel(c, kernel, &(ck_log_sum_exp){y->start, x->start, columns}, rows, 1, 0, false);
    for (ck_index row = 0; row < rows; row++) {
      const row_facts f = facts_of(x, row * columns, columns);
      if (f.nan) {
        expect_same(c, y, row, NAN);
      } else if (isinf(f.largest)) {
        expect_same(c, y, row, f.largest);
      } else {
        const real v = f.largest + logl(f.sum);
        expect_within(c, y, row, v, share_lost(c, columns, 60) + 2 * ulp(c, logl(f.sum)) + ulp(c, v));
      }
    }
  }
}

void check_log_sum_exp_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index columns = nth_count(c, i), rows = pick(c, 1, 6);
    const int accumulates = i % 2;
    begin_case(c, "%td rows of %td, accumulate %d", rows, columns, accumulates);
    array *dx = numbers(c, OUTPUT, rows * columns, -1, 1), *dy = numbers(c, INPUT, rows, -1, 1);
    array *x = numbers(c, INPUT, rows * columns, -9, 9), *y = numbers(c, INPUT, rows, 9, 12);
    // A row of −∞ has y = −∞ and no slope.
    if (chance(c, 0.3)) {
      for (ck_index j = 0; j < columns; j++) set(x, j, -INFINITY);
      set(y, 0, -INFINITY);
    }
    const ck_log_sum_exp_backward g = {dx->start, dy->start, x->start, y->start, columns, accumulates};
    run_kernel(c, kernel, &g, rows, 1, 0, false);
    for (ck_index j = 0; j < rows * columns; j++) {
      const real shift = at(y, j / columns), v = (shift == -INFINITY ? 0 : expl(at(x, j) - shift)) * at(dy,
          j / columns);
      const real was = accumulates ? before(dx, j) : 0;
      expect_within(c, dx, j, was + v, epsilon(c) * (fabsl(v) * (2 + (isfinite(shift) ? (shift + 9) / 2 : 0))
          + fabsl(was + v)));
    }
  }
}
