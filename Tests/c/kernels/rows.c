// Softmax and its kin, and layer normalisation.
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
      expect_within(c, y, j, v, isinf(v) ? 0 : share_lost(c, columns, 60) + ulp(c, shifted) + ulp(c, v) + 2 * ulp(c, logl(f.sum)));
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
      const real shift = at(y, j / columns), v = (shift == -INFINITY ? 0 : expl(at(x, j) - shift)) * at(dy, j / columns);
      const real was = accumulates ? before(dx, j) : 0;
      expect_within(c, dx, j, was + v, epsilon(c) * (fabsl(v) * (2 + (isfinite(shift) ? (shift + 9) / 2 : 0)) + fabsl(was + v)));
    }
  }
}

// ---------------------------------------------------------------------------------------------------------
// Layer normalisation

void check_layer_norm(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 2; i++) {
    const ck_index columns = nth_count(c, i / 2), rows = pick(c, 1, 6);
    const real middle = chance(c, 0.3) ? 20 : 0;
    begin_case(c, "%td rows of %td, around %g", rows, columns, (double)middle);
    array *y = numbers(c, OUTPUT, rows * columns, -1, 1), *x = numbers(c, INPUT, rows * columns, middle - 1, middle + 1);
    array *scale = chance(c, 0.7) ? numbers(c, INPUT, columns, -2, 2) : NULL;
    array *shift = chance(c, 0.7) ? numbers(c, INPUT, columns, -2, 2) : NULL;
    array *mean = numbers(c, OUTPUT, rows, 0, 1), *reciprocal = numbers(c, OUTPUT, rows, 0, 1);
    const ck_layer_norm g = {y->start, x->start, start(scale), start(shift), mean->start, reciprocal->start, columns, 1e-3};
    run_kernel(c, kernel, &g, rows, 1, 0, false);
    for (ck_index row = 0; row < rows; row++) {
      real sum = 0, sizes = 0, squares = 0;
      for (ck_index j = 0; j < columns; j++) sum += at(x, row * columns + j), sizes += fabsl(at(x, row * columns + j));
      const real m = sum / (real)columns, off = epsilon(c) * (sizes / (real)columns * 17 + fabsl(m));
      for (ck_index j = 0; j < columns; j++) {
        const real d = at(x, row * columns + j) - m;
        squares += d * d;
      }
      const real variance = squares / (real)columns + 1e-3L, r = 1 / sqrtl(variance);
      const real r_off = r * (epsilon(c) * 20 + (off * off + 2 * off * sqrtl(variance) * epsilon(c)) / variance);
      expect_within(c, mean, row, m, off);
      expect_within(c, reciprocal, row, r, r_off);
      for (ck_index j = 0; j < columns; j++) {
        const real d = at(x, row * columns + j) - m, s = scale ? at(scale, j) : 1, t = shift ? at(shift, j) : 0;
        const real error = fabsl(s) * (r * (off + ulp(c, d)) + fabsl(d) * (r_off + 2 * r * epsilon(c)));
        expect_within(c, y, row * columns + j, d * r * s + t, error + ulp(c, d * r * s) + ulp(c, d * r * s + t));
      }
    }
  }
}

static void expect_norm_gradient(check *c, const array *dx, const array *dy, const array *x, const array *scale, real mean,
                                 real r, ck_index first, ck_index columns, bool accumulates) {
  real sum = 0, products = 0, sizes = 0, product_sizes = 0;
  for (ck_index j = 0; j < columns; j++) {
    const real d = at(dy, first + j) * (scale ? at(scale, j) : 1), n = (at(x, first + j) - mean) * r;
    sum += d, products += d * n, sizes += fabsl(d), product_sizes += fabsl(d * n);
  }
  // Each lane adds up its share of the columns one by one.
  const real terms = (real)(columns / c->lanes) / 2 + 6, count = (real)columns;
  for (ck_index j = 0; j < columns; j++) {
    const real d = at(dy, first + j) * (scale ? at(scale, j) : 1), n = (at(x, first + j) - mean) * r;
    const real v = r * (d - sum / count - n * products / count), was = accumulates ? before(dx, first + j) : 0;
    const real size = r * (3 * fabsl(d) + terms * sizes / count + (terms + 4) * fabsl(n) * product_sizes / count);
    expect_within(c, dx, first + j, was + v, epsilon(c) * (size + fabsl(was + v)));
  }
}

void check_layer_norm_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 2; i++) {
    const ck_index columns = nth_count(c, i / 2), rows = pick(c, 1, 70), blocks = (rows + CK_TERMS - 1) / CK_TERMS;
    const int accumulates = i % 2;
    begin_case(c, "%td rows of %td, accumulate %d", rows, columns, accumulates);
    array *dx = chance(c, 0.8) ? numbers(c, OUTPUT, rows * columns, -1, 1) : NULL;
    array *scale_sums = chance(c, 0.7) ? numbers(c, OUTPUT, blocks * columns, -1, 1) : NULL;
    array *shift_sums = chance(c, 0.7) ? numbers(c, OUTPUT, blocks * columns, -1, 1) : NULL;
    array *dy = numbers(c, INPUT, rows * columns, -1, 1), *x = numbers(c, INPUT, rows * columns, -2, 2);
    array *scale = chance(c, 0.7) ? numbers(c, INPUT, columns, -2, 2) : NULL;
    array *mean = numbers(c, INPUT, rows, -0.2L, 0.2L), *reciprocal = numbers(c, INPUT, rows, 0.5, 2);
    const ck_layer_norm_backward g = {
      start(dx), start(scale_sums), start(shift_sums), dy->start, x->start, start(scale), mean->start,
      reciprocal->start, rows, columns, accumulates,
    };
    run_kernel(c, kernel, &g, blocks, 1, 0, false);
    for (ck_index row = 0; dx && row < rows; row++) {
      expect_norm_gradient(c, dx, dy, x, scale, at(mean, row), at(reciprocal, row), row * columns, columns, accumulates);
    }
    for (ck_index j = 0; j < blocks * columns; j++) {
      real product = 0, sum = 0, product_size = 0, size = 0;
      const ck_index first = j / columns * CK_TERMS, past = first + CK_TERMS < rows ? first + CK_TERMS : rows;
      for (ck_index row = first; row < past; row++) {
        const real d = at(dy, row * columns + j % columns);
        const real v = d * (at(x, row * columns + j % columns) - at(mean, row)) * at(reciprocal, row);
        product += v, sum += d, product_size += fabsl(v), size += fabsl(d);
      }
      if (scale_sums) expect_within(c, scale_sums, j, product, epsilon(c) * product_size * (2 + CK_TERMS / 2));
      if (shift_sums) expect_within(c, shift_sums, j, sum, epsilon(c) * size * (CK_TERMS / 2));
    }
  }
}
