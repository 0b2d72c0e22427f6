// Kernels that pick by tokens, and losses.
#include "cases.h"

#include <math.h>

// A rule that moves values by −¾ of their gradient, one rounding each. `context` says the element's size.
static void three_quarters(const ck_rule *rule, const ck_piece *piece, ck_index first, ck_index stride, ck_index rows,
                           ck_index columns, void *target) {
  const int size = *(const int *)rule->context;
  for (ck_index i = 0; i < rows * columns; i++) {
    const ck_index place = first + i / columns * stride + i % columns;
    if (size == 4) {
      float *value = (float *)piece->value + place;
      *(target ? (float *)target + i : value) = *value - 0.75f * ((const float *)piece->gradient)[place];
    } else {
      double *value = (double *)piece->value + place;
      *(target ? (double *)target + i : value) = *value - 0.75 * ((const double *)piece->gradient)[place];
    }
  }
}

void check_embedding(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 2; i++) {
    const ck_index columns = nth_count(c, i / 2), rows = pick(c, 1, 30), vocabulary = pick(c, 1, 20);
    const bool updates = i % 2;
    begin_case(c, "%td rows of %td, %td tokens, update %d", rows, columns, vocabulary, updates);
    array *y = numbers(c, OUTPUT, rows * columns, -1, 1), *table = numbers(c, INPUT, vocabulary * columns, -1, 1);
    array *chosen = tokens(c, rows, vocabulary), *gradient = numbers(c, INPUT, vocabulary * columns, -1, 1);
    add_specials(c, table, 0.1);
    const ck_piece piece = {.value = table->start, .gradient = gradient->start, .count = table->count};
    const ck_rule rule = {.pieces = &piece, .update = three_quarters, .context = &c->size, .step = 1};
    const ck_embedding g = {
      y->start, table->start, (const int32_t *)chosen->start, columns, updates ? &rule : NULL,
    };
    run_kernel(c, kernel, &g, rows, 1, 0, false);
    for (ck_index j = 0; j < rows * columns; j++) {
      const ck_index place = integer_at(chosen, j / columns) * columns + j % columns;
      const real step = product_of(c, 0.75L, at(gradient, place));
      expect_same(c, y, j, updates ? sum_of(c, at(table, place), -step) : at(table, place));
    }
  }
}

void check_embedding_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index columns = nth_count(c, i), rows = pick(c, 1, 30), vocabulary = pick(c, 1, 20);
    begin_case(c, "%td rows of %td, %td tokens", rows, columns, vocabulary);
    array *dtable = numbers(c, OUTPUT, vocabulary * columns, -1, 1), *dy = numbers(c, INPUT, rows * columns, -1, 1);
    array *chosen = tokens(c, rows, vocabulary);
    const ck_embedding_backward g = {dtable->start, dy->start, (const int32_t *)chosen->start, rows, columns};
    run_kernel(c, kernel, &g, (columns + 63) / 64, 1, 0, false);
    for (ck_index j = 0; j < vocabulary * columns; j++) {
      real sum = before(dtable, j);
      for (ck_index row = 0; row < rows; row++) {
        if (integer_at(chosen, row) == j / columns) sum = sum_of(c, sum, at(dy, row * columns + j % columns));
      }
      expect_same(c, dtable, j, sum);
    }
  }
}

void check_gather(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index outer = pick(c, 1, 5), length = pick(c, 1, 30), picks = pick(c, 1, 9), inner = i % 2 ? 1
        : nth_count(c, i) % 200 + 1;
    begin_case(c, "%td × %td of %td × %td", outer, picks, length, inner);
    array *y = numbers(c, OUTPUT, outer * picks * inner, -1, 1), *x = numbers(c, INPUT, outer * length * inner, -1, 1);
    array *chosen = tokens(c, y->count, length);
    const ck_gather g = {y->start, x->start, (const int32_t *)chosen->start, length, picks, inner};
    run_kernel(c, kernel, &g, outer, 1, 0, false);
    for (ck_index j = 0; j < y->count; j++) {
      expect_same(c, y, j, at(x, (j / (picks * inner) * length + integer_at(chosen, j)) * inner + j % inner));
    }
  }
}

void check_gather_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c); i++) {
    const ck_index outer = pick(c, 1, 5), length = pick(c, 1, 30), picks = pick(c, 1, 9), inner = i % 2 ? 1
        : nth_count(c, i) % 200 + 1;
    begin_case(c, "%td × %td of %td × %td", outer, picks, length, inner);
    array *dx = numbers(c, OUTPUT, outer * length * inner, -1, 1), *dy = numbers(c, INPUT, outer * picks * inner, -1,
        1);
    array *chosen = tokens(c, dy->count, length);
    const ck_gather_backward g = {dx->start, dy->start, (const int32_t *)chosen->start, length, picks, inner};
    run_kernel(c, kernel, &g, outer, 1, 0, false);
    for (ck_index j = 0; j < dx->count; j++) {
      const ck_index block = j / (length * inner), place = j / inner % length;
      real sum = before(dx, j);
      for (ck_index pick = 0; pick < picks; pick++) {
        const ck_index from = (block * picks + pick) * inner + j % inner;
        if (integer_at(chosen, from) == place) sum = sum_of(c, sum, at(dy, from));
      }
      expect_same(c, dx, j, sum);
    }
  }
}

// ---------------------------------------------------------------------------------------------------------
// Losses

// A row's loss and its slopes, by the definition. `off` is how far off exponentials may be, as a share.
typedef struct row_loss { real largest, sum, level; } row_loss;

// Logits as the loss has them: capped, if they are.
static real capped(const ck_cross_entropy *g, real x) {
  return g->soft_cap != 0 ? (real)g->soft_cap * tanhl(x / (real)g->soft_cap) : x;
}

static row_loss row_loss_of(const ck_cross_entropy *g, const array *x, ck_index first) {
  row_loss l = {.largest = -INFINITY};
  for (ck_index j = 0; j < g->columns; j++) l.largest = fmaxl(l.largest, capped(g, before(x, first + j)));
  for (ck_index j = 0; j < g->columns; j++) l.sum += expl(capped(g, before(x, first + j)) - l.largest);
  l.level = l.largest + logl(l.sum);
  return l;
}

static void expect_row_loss(check *c, const ck_cross_entropy *g, const array *x, const array *dx, const array *losses,
                            const array *weights, ck_index row, ck_index target) {
  const ck_index first = row * g->x_stride;
  const real weight = target == g->ignore ? 0 : weights ? at(weights, row) : 1;
  const row_loss l = row_loss_of(g, x, first);
  const bool skipped = weight == 0;
  const real z = (real)g->z_loss, terms = (real)(g->columns < 32 ? g->columns : 32) / 2;
  // A cap rounds what it gives: to 4 units of a number as large as it.
  const real cap_off = g->soft_cap != 0 ? 4 * epsilon(c) * (real)g->soft_cap : 0;
  const real off = epsilon(c) * (terms + 9) + 2 * cap_off;
  if (skipped) {
    expect_same(c, losses, row, 0);
  } else {
    const real loss = l.level - capped(g, before(x, first + target)) + z * l.level * l.level;
    expect_within(c, losses, row, weight * loss, weight * (off * (1 + 2 * z * fabsl(l.level)) + 0x1p-48L));
  }
  for (ck_index j = 0; dx && j < g->columns; j++) {
    const real v = capped(g, before(x, first + j)), p = expl(v - l.largest) / l.sum, s = (real)g->scale * weight;
    const real slope = g->soft_cap != 0 ? 1 - v * v / (real)(g->soft_cap * g->soft_cap) : 1;
    const real was = g->accumulate ? before(dx, first + j) : 0;
    const real d = skipped ? 0 : s * (p * (1 + 2 * z * l.level) - (j == target)) * slope;
    const real size = skipped ? 0 : s * (p * (1 + 2 * z * fabsl(l.level)) + (j == target));
    const real share = off + 16 * epsilon(c) + (g->soft_cap != 0 ? 12 * epsilon(c) : 0);
    expect_within(c, dx, first + j, was + d, size * share + epsilon(c) * 1.5L * fabsl(was));
  }
}

void check_cross_entropy(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 6; i++) {
    const ck_index columns = nth_count(c, i / 6), rows = pick(c, 1, 8), stride = columns + pick(c, 0, 1) * 3;
    const bool has_gradient = i % 3 > 0, in_place = i % 3 == 2, caps = chance(c, 0.3), weighs = chance(c, 0.4);
    ck_cross_entropy g = {
      .columns = columns, .x_stride = stride, .ignore = -7, .accumulate = i % 3 == 1 && chance(c, 0.5),
      .scale = has_gradient ? 1.0 / (double)rows : 0, .soft_cap = caps ? 5 : 0, .z_loss = chance(c, 0.3) ? 0.01 : 0,
    };
    begin_case(c, "%td rows of %td, gradient %d, in place %d, accumulate %d, cap %g, weights %d, z %g", rows, columns,
               has_gradient, in_place, g.accumulate, g.soft_cap, weighs, g.z_loss);
    array *x = numbers(c, in_place || caps ? OUTPUT : INPUT, (rows - 1) * stride + columns, -6, 6);
    array *dx = in_place ? x : has_gradient ? numbers(c, OUTPUT, x->count, -1, 1) : NULL;
    array *losses = doubles(c, rows), *targets = tokens(c, rows, columns);
    array *weights = weighs ? numbers(c, INPUT, rows, 0, 2) : NULL;
    if (chance(c, 0.2)) set(x, pick(c, 0, columns - 1), NAN);
    if (chance(c, 0.5)) set_integer(targets, rows - 1, -7);
    if (weighs && chance(c, 0.5)) set(weights, 0, 0);
    g.x = x->start, g.gradient = start(dx), g.losses = (double *)losses->start, g.weights = start(weights);
    g.targets = (const int32_t *)targets->start;
    run_kernel(c, kernel, &g, rows, 1, 0, false);
    for (ck_index row = 0; row < rows; row++) {
      const ck_index target = integer_at(targets, row);
      bool has_nan = false;
      for (ck_index j = 0; j < columns; j++) has_nan |= isnan(before(x, row * stride + j));
      const bool skipped = target == -7 || (weights && at(weights, row) == 0);
      if (has_nan && !skipped) expect_same(c, losses, row, NAN);
      else expect_row_loss(c, &g, x, dx, losses, weights, row, target);
      for (ck_index j = columns; dx && row < rows - 1 && j < stride; j++) expect_unchanged(c, dx, row * stride + j);
      // Skipped rows are not capped.
      for (ck_index j = 0; caps && !in_place && skipped && j < columns; j++) expect_unchanged(c, x, row * stride + j);
    }
  }
}

static real pair_loss_of(ck_pair_loss_op op, real x, real t) {
  switch (op) {
  case CK_SQUARED_ERROR: return (x - t) * (x - t);
  case CK_BINARY_CROSS_ENTROPY: return (x > 0 ? x : 0) - x * t + log1pl(expl(-fabsl(x)));
  }
  return NAN;
}

void check_pair_loss(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 2; i++) {
    const ck_pair_loss_op op = i % 2 ? CK_BINARY_CROSS_ENTROPY : CK_SQUARED_ERROR;
    const ck_index count = nth_count(c, i / 2) + (chance(c, 0.3) ? 2048 : 0), units = (count + 1023) / 1024;
    begin_case(c, "%s of %td", i % 2 ? "binary cross-entropy" : "squared error", count);
    array *partials = doubles(c, units), *x = numbers(c, INPUT, count, -9, 9), *targets = numbers(c, INPUT, count, 0,
        1);
    run_kernel(c, kernel, &(ck_pair_loss){op, x->start, targets->start, (double *)partials->start, count}, units, 1,
        0, false);
    for (ck_index unit = 0; unit < units; unit++) {
      real sum = 0, sizes = 0;
      for (ck_index j = unit * 1024; j < count && j < (unit + 1) * 1024; j++) {
        sum += pair_loss_of(op, at(x, j), at(targets, j));
        sizes += op == CK_SQUARED_ERROR ? pair_loss_of(op, at(x, j), at(targets, j)) : fabsl(at(x, j)) + 1;
      }
      expect_within(c, partials, unit, sum, 2 * epsilon(c) * sizes + sum * 0x1p-51L);
    }
  }
}

void check_pair_loss_backward(check *c, ck_function kernel) {
  for (int i = 0; i < case_count(c) * 4; i++) {
    const ck_pair_loss_op op = i % 2 ? CK_BINARY_CROSS_ENTROPY : CK_SQUARED_ERROR;
    const ck_index count = nth_count(c, i / 4);
    ck_pair_loss_backward g = {.op = op, .scale = -0.3, .accumulate_x = chance(c, 0.5), .accumulate_targets =
        chance(c, 0.5)};
    begin_case(c, "%s of %td, accumulate %d, %d", i % 2 ? "binary cross-entropy" : "squared error", count,
        g.accumulate_x,
               g.accumulate_targets);
    array *dx = chance(c, 0.8) ? numbers(c, OUTPUT, count, -1, 1) : NULL;
    array *dt = chance(c, 0.8) ? numbers(c, OUTPUT, count, -1, 1) : NULL;
    array *x = numbers(c, INPUT, count, -9, 9), *targets = numbers(c, INPUT, count, 0, 1);
    g.dx = start(dx), g.dtargets = start(dt), g.x = x->start, g.targets = targets->start;
    run_kernel(c, kernel, &g, count, 64, 0, false);
    for (ck_index j = 0; j < count; j++) {
      const real v = at(x, j), t = at(targets, j), s = (real)g.scale;
      const real slope = op == CK_SQUARED_ERROR ? 2 * (v - t) : 1 / (1 + expl(-v)) - t;
      const real other = op == CK_SQUARED_ERROR ? -2 * (v - t) : -v;
      const real x_was = dx && g.accumulate_x ? before(dx, j) : 0, t_was = dt && g.accumulate_targets ? before(dt, j)
          : 0;
      const real size = op == CK_SQUARED_ERROR ? fabsl(slope) : 1;
      if (dx) expect_within(c, dx, j, x_was + s * slope, epsilon(c) * (3 * fabsl(s) * size + fabsl(x_was)));
      if (dt) expect_within(c, dt, j, t_was + s * other, epsilon(c) * (2 * fabsl(s * other) + fabsl(t_was)));
    }
  }
}
