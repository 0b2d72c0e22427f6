// Picking along an axis by tokens.

static void gather(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_gather g = *(const ck_gather *)arguments;
  (void)scratch;
  for (ck_index outer = begin; outer < end; outer++) {
    const REAL *x = (const REAL *)g.x + outer * g.length * g.inner;
    REAL *y = (REAL *)g.y + outer * g.picks * g.inner;
    const int32_t *tokens = g.tokens + outer * g.picks * g.inner;
    for (ck_index pick = 0; pick < g.picks; pick++) {
      for (ck_index i = 0; i < g.inner; i++) {
        y[pick * g.inner + i] = x[tokens[pick * g.inner + i] * g.inner + i];
      }
    }
  }
}

static void gather_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_gather_backward g = *(const ck_gather_backward *)arguments;
  (void)scratch;
  for (ck_index outer = begin; outer < end; outer++) {
    REAL *dx = (REAL *)g.dx + outer * g.length * g.inner;
    const REAL *dy = (const REAL *)g.dy + outer * g.picks * g.inner;
    const int32_t *tokens = g.tokens + outer * g.picks * g.inner;
    for (ck_index pick = 0; pick < g.picks; pick++) {
      for (ck_index i = 0; i < g.inner; i++) {
        dx[tokens[pick * g.inner + i] * g.inner + i] += dy[pick * g.inner + i];
      }
    }
  }
}
