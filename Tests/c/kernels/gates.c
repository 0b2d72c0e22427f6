// Gates: an activation of one number of a pair, times the other.
#include "cases.h"

#include <math.h>

static const ck_unary_op activations[] = {
  CK_RELU, CK_GELU_TANH, CK_GELU_ERF, CK_TANH, CK_SIGMOID, CK_SILU, CK_RELU_SQUARED,
};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

// Neither rounds to zero or to infinity before it is multiplied nor is infinite.
bool is_plain_gate(const check *c, int op, real x, real factor) {
  const real y = activation(op, x);
  return isfinite(y * factor) && isfinite(factor) && fabsl(y) >= smallest_normal(c) && fabsl(nearest(c, y)) < INFINITY;
}

void check_gate(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * ACTIVATIONS; i++) {
    const ck_unary_op op = activations[i % ACTIVATIONS];
    const ck_index count = nth_count(c, i / ACTIVATIONS);
    begin_case(c, "%s of %td", name_of_activation(op), count);
    array *y = numbers(c, OUTPUT, count, -1, 1), *z = numbers(c, INPUT, 2 * count, -6, 6);
    if (chance(c, 0.3)) add_specials(c, z, 0.1);
    run_kernel(c, kernel, &(ck_gate){op, y->start, z->start}, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) {
      const real x = at(z, 2 * j), factor = at(z, 2 * j + 1), v = activation(op, x) * factor;
      if (isnan(x) || isnan(factor)) expect_same(c, y, j, NAN);
      if (!is_plain_gate(c, op, x, factor)) continue;
      const real off = activation_tolerance(c, op, x) * fabsl(factor);
      expect_within(c, y, j, v, off + 0.501L * ulp(c, v));
    }
  }
}

void check_gate_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * ACTIVATIONS; i++) {
    const ck_unary_op op = activations[i % ACTIVATIONS];
    const ck_index count = nth_count(c, i / ACTIVATIONS);
    const bool in_place = chance(c, 0.5);
    begin_case(c, "%s of %td, in place %d", name_of_activation(op), count, in_place);
    array *z = numbers(c, in_place ? OUTPUT : INPUT, 2 * count, -6, 6), *dy = numbers(c, INPUT, count, -1, 1);
    array *dz = in_place ? z : numbers(c, OUTPUT, 2 * count, -1, 1);
    run_kernel(c, kernel, &(ck_gate_backward){op, dz->start, dy->start, z->start}, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) {
      const real x = before(z, 2 * j), factor = before(z, 2 * j + 1), d = at(dy, j);
      const real first = activation_slope(op, x) * factor * d, second = activation(op, x) * d;
      expect_within(c, dz, 2 * j, first, slope_tolerance(c, op, x) * fabsl(factor * d) + 1.5L * ulp(c, first));
      expect_within(c, dz, 2 * j + 1, second, activation_tolerance(c, op, x) * fabsl(d) + 0.501L * ulp(c, second));
    }
  }
}
