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
  (void)scratch;
  for (ck_index index = begin; index < end; index++) {
    const ck_piece piece = g.pieces[index];
    const adam_rule rule = adam_rule_of(&g, &piece);
    adam_run(&rule, &piece, 0, piece.count, piece.value, 1);
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
