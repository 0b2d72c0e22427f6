// Optimiser passes over pieces of parameters.

static void norm(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_norm g = *(const ck_norm *)arguments;
  (void)scratch;
  for (ck_index piece = begin; piece < end; piece++) {
    const REAL *x = g.pieces[piece].gradient;
    total t = {0};
    EACH_VECTOR(i, n, 0, g.pieces[piece].count) {
      const vec v = load_n(x + i, n);
#if REAL_BITS == 32
      // The square of a float is a double without rounding, and does not overflow.
      const wide exact = __builtin_convertvector(v, wide);
      t.sum += exact * exact;
#else
      add_to(&t, v * v);
#endif
    }
    g.sums[piece] = total_of(&t);
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
