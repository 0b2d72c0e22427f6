// The norm of gradients, and rules of optimisers.
#include "cases.h"

#include <math.h>
#include <string.h>

enum { PIECES = 3 };

// Pieces of a parameter, one behind the other, with `states` numbers for each element.
typedef struct parameter {
  array *value, *gradient, *states[CK_MAX_STATES];
  ck_index begins[PIECES + 1];
  ck_piece pieces[PIECES];
} parameter;

static parameter make_parameter(check *c, ck_index count, int states, role role) {
  parameter p = {.value = numbers(c, role, count, -1, 1), .gradient = numbers(c, INPUT, count, -1, 1)};
  // The first moment has a sign, the second none.
  for (int s = 0; s < states; s++) p.states[s] = numbers(c, role, count, s == 0 ? -1 : 0, 1);
  for (int i = 0; i <= PIECES; i++) p.begins[i] = count * i / PIECES;
  const double decay = (double)uniform(c, 0, 0.2L), factor = (double)uniform(c, 0.5L, 1);
  for (int i = 0; i < PIECES; i++) {
    ck_piece piece = {
      .value = address(p.value, p.begins[i]), .gradient = address(p.gradient, p.begins[i]),
      .count = p.begins[i + 1] - p.begins[i], .weight_decay = decay, .rate_factor = factor,
    };
    for (int s = 0; s < states; s++) piece.states[s] = address(p.states[s], p.begins[i]);
    p.pieces[i] = piece;
  }
  return p;
}

void check_norm(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index count = nth_count(c, i) + 2;
    begin_case(c, "%td elements in %d pieces", count, PIECES);
    const parameter p = make_parameter(c, count, 0, INPUT);
    array *sums = doubles(c, PIECES);
    if (i % 3 == 0) set(p.gradient, 0, c->size == 4 ? 1e30L : 1e140L);
    if (i % 5 == 0) set(p.gradient, count - 1, i % 2 ? NAN : INFINITY);
    run_kernel(c, kernel, &(ck_norm){p.pieces, (double *)sums->start}, PIECES, 1, 0, false);
    for (int piece = 0; piece < PIECES; piece++) {
      real sum = 0;
      for (ck_index j = p.begins[piece]; j < p.begins[piece + 1]; j++) sum += at(p.gradient, j) * at(p.gradient, j);
      const real roundings = c->size == 4 ? (real)(p.pieces[piece].count / c->lanes + 5) : 2;
      expect_within(c, sums, piece, sum, roundings * 0x1p-53L * sum);
    }
  }
}

// Counts what it was asked for.
typedef struct calls { int count; const ck_piece *pieces[PIECES]; bool whole; } calls;

static void note_call(const ck_rule *rule, const ck_piece *piece, ck_index first, ck_index stride, ck_index rows,
                      ck_index columns, void *target) {
  calls *calls = (struct calls *)(uintptr_t)rule->context;
  (void)stride;
  if (calls->count < PIECES) calls->pieces[calls->count] = piece;
  calls->count++;
  calls->whole &= first == 0 && rows == 1 && columns == piece->count && !target;
}

void check_update(check *c, ck_function kernel) {
  begin_case(c, "%d pieces", PIECES);
  const parameter p = make_parameter(c, 100, 0, INPUT);
  calls calls = {.whole = true};
  const ck_rule rule = {.pieces = p.pieces, .update = note_call, .context = &calls, .step = 1};
  kernel(&rule, 1, PIECES, NULL);
  if (calls.count != PIECES - 1 || calls.pieces[0] != p.pieces + 1 || calls.pieces[1] != p.pieces + 2 || !calls.whole) {
    fail(c, "%d updates, not one of each of the last two pieces", calls.count);
  }
  c->comparisons++;
}

// ---------------------------------------------------------------------------------------------------------
// Rules

typedef struct element { real value, states[CK_MAX_STATES]; } element;
typedef element (*formula)(const ck_rule *rule, const ck_piece *piece, element e, real gradient);

static element adam(const ck_rule *rule, const ck_piece *piece, element e, real gradient) {
  const double *k = rule->coefficients, rate = rule->learning_rate * piece->rate_factor;
  const bool coupled = k[CK_ADAM_COUPLED_DECAY] != 0;
  const real d = gradient * (real)rule->gradient_scale + (coupled ? (real)piece->weight_decay * e.value : 0);
  e.states[0] = (real)k[CK_ADAM_BETA1] * e.states[0] + (1 - (real)k[CK_ADAM_BETA1]) * d;
  e.states[1] = (real)k[CK_ADAM_BETA2] * e.states[1] + (1 - (real)k[CK_ADAM_BETA2]) * d * d;
  const real m = e.states[0] / (real)k[CK_ADAM_CORRECTION1], v = e.states[1] / (real)k[CK_ADAM_CORRECTION2];
  if (!coupled) e.value -= (real)rate * (real)piece->weight_decay * e.value;
  e.value -= (real)rate * m / (sqrtl(v) + (real)k[CK_ADAM_EPSILON]);
  return e;
}

static element descent(const ck_rule *rule, const ck_piece *piece, element e, real gradient) {
  const real d = gradient * (real)rule->gradient_scale + (real)piece->weight_decay * e.value;
  e.value -= (real)(rule->learning_rate * piece->rate_factor) * d;
  return e;
}

static element momentum(const ck_rule *rule, const ck_piece *piece, element e, real gradient) {
  const real d = gradient * (real)rule->gradient_scale + (real)piece->weight_decay * e.value;
  const real mu = (real)rule->coefficients[CK_MOMENTUM_MOMENTUM];
  e.states[0] = rule->step == 1 ? d : mu * e.states[0] + d;
  e.value -= (real)(rule->learning_rate * piece->rate_factor) *
             (rule->coefficients[CK_MOMENTUM_NESTEROV] != 0 ? d + mu * e.states[0] : e.states[0]);
  return e;
}

static void check_rule(check *c, ck_update update, int states, formula formula, const double *coefficients,
                       const char *variant) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index columns = nth_count(c, i), rows = pick(c, 1, 4), apart = columns + pick(c, 0, 5), first = pick(c,
        0, 5);
    const bool to_target = chance(c, 0.5);
    begin_case(c, "%s, %td runs of %td, %td apart, to a target %d", variant, rows, columns, apart, to_target);
    // The runs go on behind the end of the piece that they begin in.
    const parameter p = make_parameter(c, first + (rows - 1) * apart + columns + 2, states, OUTPUT);
    array *target = to_target ? numbers(c, OUTPUT, rows * columns, -1, 1) : NULL;
    ck_rule rule = {.pieces = p.pieces, .update = update, .state_count = states, .step = i % 3 == 0 ? 1 : 7,
                    .learning_rate = 0.05, .gradient_scale = chance(c, 0.5) ? 1 : 0.3};
    memcpy(rule.coefficients, coefficients, sizeof rule.coefficients);
    keep_arrays(c);
    update(&rule, p.pieces, first, apart, rows, columns, start(target));
    expect_arrays_kept(c);
    for (ck_index j = 0; j < p.value->count; j++) {
      const ck_index row = (j - first) / apart, column = (j - first) % apart;
      const bool chosen = j >= first && row < rows && column < columns;
      if (!chosen || to_target) {
        expect_unchanged(c, p.value, j);
        for (int s = 0; s < states; s++) expect_unchanged(c, p.states[s], j);
      }
      if (!chosen) continue;
      element e = {.value = before(p.value, j)};
      for (int s = 0; s < states; s++) e.states[s] = before(p.states[s], j);
      const element old = e;
      e = formula(&rule, p.pieces, e, at(p.gradient, j));
      const real moved = fabsl(e.value - old.value) + 0.1L;
      if (to_target) expect_within(c, target, row * columns + column, e.value, epsilon(c) * (fabsl(old.value) + 8
          * moved));
      else expect_within(c, p.value, j, e.value, epsilon(c) * (fabsl(old.value) + 8 * moved));
      for (int s = 0; s < states && !to_target; s++) expect_within(c, p.states[s], j, e.states[s], 5 * epsilon(c));
    }
  }
}

void check_adam_update(check *c, ck_update update) {
  double k[CK_MAX_COEFFICIENTS] = {
    [CK_ADAM_BETA1] = 0.9, [CK_ADAM_BETA2] = 0.95, [CK_ADAM_EPSILON] = 1e-3, [CK_ADAM_CORRECTION1] = 0.6,
    [CK_ADAM_CORRECTION2] = 0.4,
  };
  check_rule(c, update, 2, adam, k, "decoupled decay");
  k[CK_ADAM_COUPLED_DECAY] = 1;
  check_rule(c, update, 2, adam, k, "coupled decay");
}

void check_descent_update(check *c, ck_update update) {
  const double k[CK_MAX_COEFFICIENTS] = {0};
  check_rule(c, update, 0, descent, k, "plain");
}

void check_momentum_update(check *c, ck_update update) {
  double k[CK_MAX_COEFFICIENTS] = {[CK_MOMENTUM_MOMENTUM] = 0.9};
  check_rule(c, update, 1, momentum, k, "plain");
  k[CK_MOMENTUM_NESTEROV] = 1;
  check_rule(c, update, 1, momentum, k, "Nesterov");
}
