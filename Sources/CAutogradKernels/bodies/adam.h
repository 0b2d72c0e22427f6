// Adam's formula: see ck_update_kind. The coefficients are those of enum ck_adam_coefficient.

typedef struct adam_terms {
  vec beta1, beta2, rest1, rest2, epsilon, inverse_root, gradient_scale, step, shrink, coupled;
} adam_terms;

INLINE adam_terms adam_terms_of(const ck_rule *rule, const ck_piece *piece) {
  const double *c = rule->coefficients, rate = rule->learning_rate * piece->rate_factor;
  const int coupled_decay = c[CK_ADAM_COUPLED_DECAY] != 0;
  return (adam_terms){
    .beta1 = splat((REAL)c[CK_ADAM_BETA1]), .beta2 = splat((REAL)c[CK_ADAM_BETA2]),
    .rest1 = splat((REAL)(1 - c[CK_ADAM_BETA1])), .rest2 = splat((REAL)(1 - c[CK_ADAM_BETA2])),
    .epsilon = splat((REAL)c[CK_ADAM_EPSILON]),
    .inverse_root = splat((REAL)(1 / SQRT_DOUBLE(c[CK_ADAM_CORRECTION2]))),
    .gradient_scale = splat((REAL)rule->gradient_scale), .step = splat((REAL)(rate / c[CK_ADAM_CORRECTION1])),
    .shrink = splat(coupled_decay ? 1 : (REAL)(1 - rate * piece->weight_decay)),
    .coupled = splat(coupled_decay ? (REAL)piece->weight_decay : 0),
  };
}

INLINE vec adam_element(const adam_terms *t, vec w, vec gradient, vec *moments) {
  const vec d = fma_(t->coupled, w, gradient * t->gradient_scale);
  const vec m = fma_(moments[0], t->beta1, t->rest1 * d);
  const vec v = fma_(moments[1], t->beta2, t->rest2 * d * d);
  moments[0] = m;
  moments[1] = v;
  const vec denominator = fma_(square_root(v), t->inverse_root, t->epsilon);
  return w * t->shrink - t->step * (m / denominator);
}

DEFINE_UPDATE(adam, adam, 2)
