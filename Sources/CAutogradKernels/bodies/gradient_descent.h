// Gradient descent, plain and with momentum: see ck_update_kind.

typedef struct descent_terms { vec decay, step, gradient_scale, momentum; int nesterov, is_first; } descent_terms;

INLINE descent_terms descent_terms_of(const ck_rule *rule, const ck_piece *piece) {
  return (descent_terms){
    .decay = splat((REAL)piece->weight_decay), .step = splat((REAL)(rule->learning_rate * piece->rate_factor)),
    .gradient_scale = splat((REAL)rule->gradient_scale),
    .momentum = splat((REAL)rule->coefficients[CK_MOMENTUM_MOMENTUM]),
    .nesterov = rule->coefficients[CK_MOMENTUM_NESTEROV] != 0, .is_first = rule->step == 1,
  };
}

INLINE vec descent_element(const descent_terms *t, vec w, vec gradient, vec *states) {
  (void)states;
  return w - t->step * fma_(t->decay, w, gradient * t->gradient_scale);
}

DEFINE_UPDATE(descent, descent, 0)

typedef descent_terms momentum_terms;

INLINE momentum_terms momentum_terms_of(const ck_rule *rule, const ck_piece *piece) {
  return descent_terms_of(rule, piece);
}

// The first step fills the momentum.
INLINE vec momentum_element(const momentum_terms *t, vec w, vec gradient, vec *states) {
  const vec d = fma_(t->decay, w, gradient * t->gradient_scale);
  const vec v = t->is_first ? d : fma_(t->momentum, states[0], d);
  states[0] = v;
  return w - t->step * (t->nesterov ? fma_(t->momentum, v, d) : v);
}

DEFINE_UPDATE(momentum, momentum, 1)
