// A step of Adam over neighbouring elements: the optimiser's pass, and what reads weights that have yet to take it.

// What the elements of a piece have in common.
typedef struct adam_rule {
  vec beta1, beta2, rest1, rest2, epsilon, inverse_root, gradient_scale, step, shrink, coupled;
} adam_rule;

INLINE adam_rule adam_rule_of(const ck_adam *g, const ck_piece *piece) {
  const double rate = g->learning_rate * piece->rate_factor;
  return (adam_rule){
    .beta1 = splat((REAL)g->beta1), .beta2 = splat((REAL)g->beta2),
    .rest1 = splat((REAL)(1 - g->beta1)), .rest2 = splat((REAL)(1 - g->beta2)),
    .epsilon = splat((REAL)g->epsilon), .inverse_root = splat((REAL)(1 / SQRT_DOUBLE(g->correction2))),
    .gradient_scale = splat((REAL)g->gradient_scale), .step = splat((REAL)(rate / g->correction1)),
    .shrink = splat(g->coupled_decay ? 1 : (REAL)(1 - rate * piece->weight_decay)),
    .coupled = splat(g->coupled_decay ? (REAL)piece->weight_decay : 0),
  };
}

// The new weights; the moments are changed in place.
INLINE vec adam_step(const adam_rule *r, vec w, vec gradient, vec *m, vec *v) {
  const vec d = fma_(r->coupled, w, gradient * r->gradient_scale);
  *m = fma_(*m, r->beta1, r->rest1 * d);
  *v = fma_(*v, r->beta2, r->rest2 * d * d);
  const vec denominator = fma_(square_root(*v), r->inverse_root, r->epsilon);
  return w * r->shrink - r->step * (*m / denominator);
}

// `count` elements of a piece, from the element `first` on. New weights go to `target`; with `stores` that is the
// piece itself, and the moments are stored too.
INLINE void adam_run(const adam_rule *rule, const ck_piece *piece, ck_index first, ck_index count, REAL *target,
                     const int stores) {
  const REAL *value = (const REAL *)piece->value + first, *gradient = (const REAL *)piece->gradient + first;
  REAL *moment1 = (REAL *)piece->moment1 + first, *moment2 = (REAL *)piece->moment2 + first;
  EACH_VECTOR(i, n, 0, count) {
    vec m = load_n(moment1 + i, n), v = load_n(moment2 + i, n);
    const vec w = adam_step(rule, load_n(value + i, n), load_n(gradient + i, n), &m, &v);
    if (stores) {
      store_n(moment1 + i, m, n);
      store_n(moment2 + i, v, n);
    }
    store_n(target + i, w, n);
  }
}

// Where in a parameter an address lies. INVARIANT: a parameter's values, gradient and moments are each one block, of
// which the first piece is the beginning: it leads to all elements.
INLINE ck_index index_in(const ck_adam *update, const REAL *address) {
  return address - (const REAL *)update->pieces->value;
}

// Rows of a parameter take the step. Each row is taken by one thread, once.
static __attribute__((noinline)) void update_rows(const ck_adam *update, const REAL *first_row, ck_index stride,
                                                  ck_index count, ck_index columns) {
  const ck_piece *parameter = update->pieces;
  const adam_rule rule = adam_rule_of(update, parameter);
  for (ck_index row = 0; row < count; row++) {
    const ck_index first = index_in(update, first_row + row * stride);
    adam_run(&rule, parameter, first, columns, (REAL *)parameter->value + first, 1);
  }
}
