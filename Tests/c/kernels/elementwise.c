// Kernels of single elements, and the activations that others use.
#include "cases.h"

#include <math.h>

// An operation that is missing here is a warning of the compiler, and warnings are errors.
#define UNARY(CASE) \
  CASE(CK_RELU, "relu") CASE(CK_GELU_TANH, "tanh gelu") CASE(CK_GELU_ERF, "erf gelu") CASE(CK_EXP, "exp") \
  CASE(CK_LOG, "log") CASE(CK_TANH, "tanh") CASE(CK_SIGMOID, "sigmoid") CASE(CK_SILU, "silu") CASE(CK_SQRT, "sqrt") \
  CASE(CK_ABS, "abs") CASE(CK_RELU_SQUARED, "relu squared")

const char *name_of_activation(int op) {
  if (op == CK_ACTIVATION_NONE) return "none";
  switch ((ck_unary_op)op) {
#define CASE(OP, NAME) case OP: return NAME;
    UNARY(CASE)
#undef CASE
  }
  return "?";
}

static const real root_half = 0.70710678118654752440084436L, root_two_over_pi = 0.79788456080286535587989212L,
                  cubic = 0.044715L, density_at_0 = 0.39894228040143267793994606L;

static real sigmoid(real x) { return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)); }

real activation(int op, real x) {
  if (op == CK_ACTIVATION_NONE) return x;
  switch ((ck_unary_op)op) {
  case CK_RELU: return x < 0 ? 0 : x;
  // −∞ times 0 is none, as elsewhere; short of it there is a limit.
  case CK_GELU_TANH: return x == -INFINITY ? NAN : x < -200 ? -0.0L : 0.5L * x * (1 + tanhl(root_two_over_pi * x * (1
      + cubic * x * x)));
  case CK_GELU_ERF: return x == -INFINITY ? NAN : x < -200 ? -0.0L : 0.5L * x * erfcl(-x * root_half);
  case CK_EXP: return expl(x);
  case CK_LOG: return logl(x);
  case CK_TANH: return tanhl(x);
  case CK_SIGMOID: return sigmoid(x);
  case CK_SILU: return x == -INFINITY ? NAN : x < -12000 ? -0.0L : x * sigmoid(x);
  case CK_SQRT: return sqrtl(x);
  case CK_ABS: return fabsl(x);
  case CK_RELU_SQUARED: return x < 0 ? 0 : x * x;
  }
  return NAN;
}

real activation_slope(int op, real x) {
  if (op == CK_ACTIVATION_NONE) return 1;
  switch ((ck_unary_op)op) {
  case CK_RELU: return isnan(x) ? x : x > 0;
  case CK_GELU_TANH: {
    if (fabsl(x) > 200) return x > 0;
    const real t = tanhl(root_two_over_pi * x * (1 + cubic * x * x));
    return 0.5L * (1 + t + x * root_two_over_pi * (1 + 3 * cubic * x * x) * (1 - t) * (1 + t));
  }
  case CK_GELU_ERF:
    return fabsl(x) > 200 ? x > 0 : 0.5L * erfcl(-x * root_half) + x * density_at_0 * expl(-0.5L * x * x);
  case CK_EXP: return expl(x);
  case CK_LOG: return 1 / x;
  case CK_TANH: return 1 / (coshl(x) * coshl(x));
  case CK_SIGMOID: return sigmoid(x) * sigmoid(-x);
  case CK_SILU: return fabsl(x) > 12000 ? x > 0 : sigmoid(x) * (1 + x * sigmoid(-x));
  case CK_SQRT: return 0.5L / sqrtl(x);
  case CK_ABS: return isnan(x) ? x : (real)((x > 0) - (x < 0));
  case CK_RELU_SQUARED: return x <= 0 ? 0 : 2 * x;
  }
  return NAN;
}

// What Tests/AutogradKernelsTests/ElementaryFunctionTests.swift promises of each, and what underflows.
real activation_tolerance(const check *c, int op, real x) {
  const real y = activation(op, x), unit = ulp(c, y), least = smallest_normal(c);
  if (op == CK_ACTIVATION_NONE) return 0;
  switch ((ck_unary_op)op) {
  case CK_RELU: case CK_ABS: return 0;
  case CK_SQRT: case CK_RELU_SQUARED: return 0.501L * unit;
  case CK_LOG: return 1 * unit;
  // 0 below the smallest normal number, and what is made of it.
  case CK_EXP: return y < least * (1 + 1e-4L) ? least * (1 + 1e-4L) : 1.25L * unit;
  case CK_SIGMOID: return y < least * (1 + 1e-4L) ? least * (1 + 1e-4L) : 3 * unit;
  case CK_SILU: return 3.5L * unit + (x < 0 ? least * -x * 1.001L : 0);
  case CK_TANH: return 3 * unit;
  case CK_GELU_TANH: case CK_GELU_ERF: return x < 0 ? 1.5L * ulp(c, x) : 2.5L * unit;
  }
  return 0;
}

// Where terms cancel, their sizes count.
real slope_tolerance(const check *c, int op, real x) {
  const real d = activation_slope(op, x), unit = ulp(c, d), one = epsilon(c);
  switch ((ck_unary_op)op) {
  case CK_RELU: case CK_ABS: case CK_RELU_SQUARED: return 0;
  case CK_GELU_TANH: {
    // 1 − tanh² has the three ulps of tanh, until that is ±1.
    const real steep = fabsl(x) * root_two_over_pi * (1 + 3 * cubic * x * x);
    return one * (4 + (fabsl(x) < (c->size == 4 ? 5.5L : 7.5L) ? 2 * steep : 0));
  }
  case CK_GELU_ERF: return 4 * one;
  case CK_EXP: return activation_tolerance(c, op, x);
  case CK_LOG: return 0.501L * unit;
  case CK_TANH: return 4 * one;
  case CK_SIGMOID: return 5 * unit + smallest_normal(c);
  case CK_SILU: return 5 * one;
  case CK_SQRT: return 1.5L * unit;
  }
  return 0;
}

static void fill_for(check *c, array *x, int op, bool specials) {
  const real wide = c->size == 4 ? 80 : 700;
  for (ck_index i = 0; i < x->count; i++) {
    const real v = chance(c, 0.5) ? uniform(c, -4, 4) : uniform(c, -wide, wide);
    set(x, i, op == CK_LOG || op == CK_SQRT ? expl(v) : v);
  }
  if (specials) add_specials(c, x, 0.3);
}

static const int operations[] = {
#define CASE(OP, NAME) OP,
  UNARY(CASE)
#undef CASE
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

void check_unary(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * OPERATIONS; i++) {
    const int op = operations[i % OPERATIONS];
    const ck_index count = nth_count(c, i / OPERATIONS);
    begin_case(c, "%s of %td", name_of_activation(op), count);
    array *y = numbers(c, OUTPUT, count, -1, 1), *x = numbers(c, INPUT, count, -1, 1);
    fill_for(c, x, op, chance(c, 0.5));
    run_kernel(c, kernel, &(ck_unary){(ck_unary_op)op, y->start, x->start}, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) {
      expect_within(c, y, j, activation(op, at(x, j)), activation_tolerance(c, op, at(x, j)));
    }
  }
}

void check_unary_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * OPERATIONS; i++) {
    const int op = operations[i % OPERATIONS], accumulates = chance(c, 0.5), has_y = chance(c, 0.5);
    const ck_index count = nth_count(c, i / OPERATIONS);
    begin_case(c, "%s of %td, accumulate %d, y %d", name_of_activation(op), count, accumulates, has_y);
    array *dx = numbers(c, OUTPUT, count, -1, 1), *dy = numbers(c, INPUT, count, -2, 2);
    array *x = numbers(c, INPUT, count, -1, 1), *y = has_y ? numbers(c, INPUT, count, 0, 0) : NULL;
    fill_for(c, x, op, false);
    for (ck_index j = 0; j < count; j++) {
      if (op == CK_RELU && chance(c, 0.1)) set(x, j, chance(c, 0.5) ? 0 : -0.0L);
      if (op == CK_ABS && chance(c, 0.1)) set(x, j, 0);
      if (op == CK_GELU_TANH && chance(c, 0.1)) set(x, j, chance(c, 0.5) ? 1e15L : -1e20L);
      if (has_y) set(y, j, activation(op, at(x, j)));
    }
    const ck_unary_backward g = {(ck_unary_op)op, dx->start, dy->start, x->start, start(y), accumulates};
    run_kernel(c, kernel, &g, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) {
      const real d = activation_slope(op, at(x, j)), v = d * at(dy, j), was = accumulates ? before(dx, j) : 0;
      const real tolerance = fabsl(at(dy, j)) * slope_tolerance(c, op, at(x, j));
      expect_within(c, dx, j, was + v, tolerance + 0.501L * ulp(c, v) + 0.501L * ulp(c, was + v) * accumulates);
    }
  }
}

void check_affine(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index count = nth_count(c, i);
    const int accumulates = i % 2;
    const double scale = (double)uniform(c, -2, 2), shift = chance(c, 0.3) ? 0 : (double)uniform(c, -2, 2);
    begin_case(c, "%td, accumulate %d", count, accumulates);
    array *y = numbers(c, OUTPUT, count, -1, 1), *x = numbers(c, INPUT, count, -3, 3);
    if (chance(c, 0.3)) add_specials(c, x, 0.2);
    run_kernel(c, kernel, &(ck_affine){y->start, x->start, scale, shift, accumulates}, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) {
      const real v = multiply_add(c, nearest(c, scale), at(x, j), nearest(c, shift));
      const real want = accumulates ? sum_of(c, before(y, j), v) : v;
      // The sign of a zero is that of the sum.
      if (want == 0) expect_within(c, y, j, want, 0);
      else expect_same(c, y, j, want);
    }
  }
}

void check_clip(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index count = nth_count(c, i);
    const real low = nearest(c, uniform(c, -1, 0)), high = nearest(c, uniform(c, 0, 1));
    begin_case(c, "%td", count);
    array *y = numbers(c, OUTPUT, count, -1, 1), *x = numbers(c, INPUT, count, -2, 2);
    add_specials(c, x, 0.3);
    run_kernel(c, kernel, &(ck_clip){y->start, x->start, (double)low, (double)high}, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) {
      const real v = at(x, j);
      expect_same(c, y, j, v < low ? low : v > high ? high : v);
    }
  }
}

void check_clip_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index count = nth_count(c, i);
    const int accumulates = i % 2;
    const real low = nearest(c, uniform(c, -1, 0)), high = nearest(c, uniform(c, 0, 1));
    begin_case(c, "%td, accumulate %d", count, accumulates);
    array *dx = numbers(c, OUTPUT, count, -1, 1), *dy = numbers(c, INPUT, count, -1, 1);
    array *x = numbers(c, INPUT, count, -2, 2);
    add_specials(c, x, 0.3);
    set(x, 0, low);
    set(x, count - 1, high);
    const ck_clip_backward g = {dx->start, dy->start, x->start, (double)low, (double)high, accumulates};
    run_kernel(c, kernel, &g, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) {
      const real d = at(x, j) >= low && at(x, j) <= high ? at(dy, j) : 0;
      expect_same(c, dx, j, accumulates ? sum_of(c, before(dx, j), d) : d);
    }
  }
}

void check_fill(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index count = nth_count(c, i);
    const double values[] = {0, -0.0, 1.25, NAN, -INFINITY};
    begin_case(c, "%td", count);
    array *y = numbers(c, OUTPUT, count, -1, 1);
    run_kernel(c, kernel, &(ck_fill){y->start, values[i % 5]}, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) expect_same(c, y, j, values[i % 5]);
  }
}

void check_dropout(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index count = nth_count(c, i);
    const int accumulates = i % 2;
    const double rates[] = {0, 0.1, 0.5, 0.99}, rate = rates[pick(c, 0, 3)];
    begin_case(c, "%td, rate %g, accumulate %d", count, rate, accumulates);
    array *y = numbers(c, OUTPUT, count, -1, 1), *x = numbers(c, INPUT, count, -1, 1);
    if (chance(c, 0.3)) add_specials(c, x, 0.2);
    const ck_dropout g = {
      .y = y->start, .x = x->start, .rate = rate, .key = 0x123456789ABCDEFu + (uint64_t)i, .counter1 = 7,
      .counter2 = 0xFFFFFFFFu, .counter3 = (uint32_t)i, .accumulate = accumulates,
    };
    run_kernel(c, kernel, &g, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) {
      const bool kept = philox_word(g.key, (uint64_t)j, 7, 0xFFFFFFFFu, (uint32_t)i) >= (uint32_t)(rate * 4294967296.0);
      const real v = product_of(c, at(x, j), kept ? nearest(c, 1 / (1 - rate)) : 0);
      expect_same(c, y, j, accumulates ? sum_of(c, before(y, j), v) : v);
    }
  }
}
