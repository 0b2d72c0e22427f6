// Optimiser passes over pieces of parameters.

static void norm(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_norm g = *(const ck_norm *)arguments;
  (void)scratch;
  for (ck_index piece = begin; piece < end; piece++) {
    const REAL *x = g.pieces[piece].gradient;
    double total = 0;
    // Squares in REAL over runs of 1024, runs in double: no overflow of precision over millions of elements.
    for (ck_index first = 0; first < g.pieces[piece].count; first += 1024) {
      const ck_index rest = g.pieces[piece].count - first, past = first + (rest < 1024 ? rest : 1024);
      vec squares = {0};
      EACH_VECTOR(i, n, first, past) {
        vec v = load_n(x + i, n);
        squares = fma_(v, v, squares);
      }
      total += (double)sum_lanes(squares);
    }
    g.sums[piece] = total;
  }
}

static void adam(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_adam g = *(const ck_adam *)arguments;
  const vec beta1 = splat((REAL)g.beta1), beta2 = splat((REAL)g.beta2), epsilon = splat((REAL)g.epsilon);
  const vec rest1 = splat((REAL)(1 - g.beta1)), rest2 = splat((REAL)(1 - g.beta2));
  const vec inverse_root = splat((REAL)(1 / SQRT_DOUBLE(g.correction2)));
  const vec gradient_scale = splat((REAL)g.gradient_scale);
  (void)scratch;
  for (ck_index index = begin; index < end; index++) {
    const ck_piece piece = g.pieces[index];
    const double rate = g.learning_rate * piece.rate_factor;
    const vec step = splat((REAL)(rate / g.correction1));
    const vec shrink = splat(g.coupled_decay ? 1 : (REAL)(1 - rate * piece.weight_decay));
    const vec coupled = splat(g.coupled_decay ? (REAL)piece.weight_decay : 0);
    REAL *value = piece.value, *moment1 = piece.moment1, *moment2 = piece.moment2;
    const REAL *gradient = piece.gradient;
    EACH_VECTOR(i, n, 0, piece.count) {
      vec w = load_n(value + i, n);
      vec d = fma_(coupled, w, load_n(gradient + i, n) * gradient_scale);
      vec m = fma_(load_n(moment1 + i, n), beta1, rest1 * d);
      vec v = fma_(load_n(moment2 + i, n), beta2, rest2 * d * d);
      vec denominator = fma_(square_root(v), inverse_root, epsilon);
      store_n(moment1 + i, m, n);
      store_n(moment2 + i, v, n);
      store_n(value + i, w * shrink - step * (m / denominator), n);
    }
  }
}

static void sgd(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_sgd g = *(const ck_sgd *)arguments;
  const vec momentum = splat((REAL)g.momentum), gradient_scale = splat((REAL)g.gradient_scale);
  (void)scratch;
  for (ck_index index = begin; index < end; index++) {
    const ck_piece piece = g.pieces[index];
    const vec decay = splat((REAL)piece.weight_decay), step = splat((REAL)(g.learning_rate * piece.rate_factor));
    REAL *value = piece.value, *velocity = piece.moment1;
    const REAL *gradient = piece.gradient;
    EACH_VECTOR(i, n, 0, piece.count) {
      vec w = load_n(value + i, n);
      vec d = fma_(decay, w, load_n(gradient + i, n) * gradient_scale);
      if (velocity) {
        vec v = g.first_step ? d : fma_(momentum, load_n(velocity + i, n), d);
        store_n(velocity + i, v, n);
        d = g.nesterov ? fma_(momentum, v, d) : v;
      }
      store_n(value + i, w - step * d, n);
    }
  }
}
