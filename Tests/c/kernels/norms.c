// Layer normalisation, and by the root of the mean square.
#include "cases.h"

#include <math.h>

void check_layer_norm(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 2; i++) {
    const ck_index columns = nth_count(c, i / 2), rows = pick(c, 1, 6);
    const real middle = chance(c, 0.3) ? 20 : 0;
    begin_case(c, "%td rows of %td, around %g", rows, columns, (double)middle);
    array *y = numbers(c, OUTPUT, rows * columns, -1, 1), *x = numbers(c, INPUT, rows * columns, middle - 1, middle
        + 1);
    array *scale = chance(c, 0.7) ? numbers(c, INPUT, columns, -2, 2) : NULL;
    array *shift = chance(c, 0.7) ? numbers(c, INPUT, columns, -2, 2) : NULL;
    array *mean = numbers(c, OUTPUT, rows, 0, 1), *reciprocal = numbers(c, OUTPUT, rows, 0, 1);
    const ck_layer_norm g = {y->start, x->start, start(scale), start(shift), mean->start, reciprocal->start, columns,
        1e-3};
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

static void expect_norm_gradient(check *c, const array *dx, const array *dy, const array *x, const array *scale,
    real mean,
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
      expect_norm_gradient(c, dx, dy, x, scale, at(mean, row), at(reciprocal, row), row * columns, columns,
          accumulates);
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

// ---------------------------------------------------------------------------------------------------------
// Root of the mean square

void check_rms_norm(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 2; i++) {
    const ck_index columns = nth_count(c, i / 2), rows = pick(c, 1, 6);
    const real epsilon_added = chance(c, 0.2) ? 0 : 1e-3L;
    begin_case(c, "%td rows of %td", rows, columns);
    array *y = numbers(c, OUTPUT, rows * columns, -1, 1), *x = numbers(c, INPUT, rows * columns, -2, 2);
    array *scale = chance(c, 0.7) ? numbers(c, INPUT, columns, -2, 2) : NULL;
    array *reciprocal = numbers(c, OUTPUT, rows, 0, 1);
    if (chance(c, 0.2)) set(x, pick(c, 0, x->count - 1), NAN);
    const ck_rms_norm g = {y->start, x->start, start(scale), reciprocal->start, columns, (double)epsilon_added};
    run_kernel(c, kernel, &g, rows, 1, 0, false);
    for (ck_index row = 0; row < rows; row++) {
      real squares = 0;
      for (ck_index j = 0; j < columns; j++) squares += at(x, row * columns + j) * at(x, row * columns + j);
      const real r = 1 / sqrtl(squares / (real)columns + epsilon_added), off = 10 * epsilon(c);
      expect_within(c, reciprocal, row, r, r * off);
      for (ck_index j = 0; j < columns; j++) {
        const real v = at(x, row * columns + j) * r * (scale ? at(scale, j) : 1);
        expect_within(c, y, row * columns + j, v, fabsl(v) * (off + 2 * epsilon(c)));
      }
    }
  }
}

void check_rms_norm_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 2; i++) {
    const ck_index columns = nth_count(c, i / 2), rows = pick(c, 1, 70), blocks = (rows + CK_TERMS - 1) / CK_TERMS;
    const int accumulates = i % 2;
    begin_case(c, "%td rows of %td, accumulate %d", rows, columns, accumulates);
    array *dx = chance(c, 0.8) ? numbers(c, OUTPUT, rows * columns, -1, 1) : NULL;
    array *sums = chance(c, 0.7) ? numbers(c, OUTPUT, blocks * columns, -1, 1) : NULL;
    array *dy = numbers(c, INPUT, rows * columns, -1, 1), *x = numbers(c, INPUT, rows * columns, -2, 2);
    array *scale = chance(c, 0.7) ? numbers(c, INPUT, columns, -2, 2) : NULL;
    array *reciprocal = numbers(c, INPUT, rows, 0.5, 2);
    const ck_rms_norm_backward g = {
      start(dx), start(sums), dy->start, x->start, start(scale), reciprocal->start, rows, columns, accumulates,
    };
    run_kernel(c, kernel, &g, blocks, 1, 0, false);
    for (ck_index row = 0; dx && row < rows; row++) {
      real products = 0, sizes = 0;
      for (ck_index j = row * columns; j < (row + 1) * columns; j++) {
        const real v = at(dy, j) * (scale ? at(scale, j % columns) : 1) * at(x, j) * at(reciprocal, row);
        products += v / (real)columns, sizes += fabsl(v) / (real)columns;
      }
      // Each lane adds up its share of the columns one by one.
      const real terms = (real)(columns / c->lanes) / 2 + 8, r = at(reciprocal, row);
      for (ck_index j = row * columns; j < (row + 1) * columns; j++) {
        const real d = at(dy, j) * (scale ? at(scale, j % columns) : 1), was = accumulates ? before(dx, j) : 0;
        const real v = r * (d - at(x, j) * r * products), size = r * (3 * fabsl(d) + terms * fabsl(at(x, j) * r)
            * sizes);
        expect_within(c, dx, j, was + v, epsilon(c) * (size + fabsl(was + v)));
      }
    }
    for (ck_index j = 0; sums && j < blocks * columns; j++) {
      real sum = 0, size = 0;
      const ck_index first = j / columns * CK_TERMS, past = first + CK_TERMS < rows ? first + CK_TERMS : rows;
      for (ck_index row = first; row < past; row++) {
        const real v = at(dy, row * columns + j % columns) * at(x, row * columns + j % columns) * at(reciprocal, row);
        sum += v, size += fabsl(v);
      }
      expect_within(c, sums, j, sum, epsilon(c) * size * (2 + CK_TERMS / 2));
    }
  }
}
