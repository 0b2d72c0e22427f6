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

static void update(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_rule *rule = arguments;
  (void)scratch;
  for (ck_index index = begin; index < end; index++) {
    const ck_piece *piece = rule->pieces + index;
    rule->update(rule, piece, 0, 0, 1, piece->count, NULL);
  }
}
