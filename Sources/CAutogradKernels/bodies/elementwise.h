// Element-wise loops.

#define UNARY_OPS(CASE) \
  CASE(CK_RELU) CASE(CK_GELU_TANH) CASE(CK_GELU_ERF) CASE(CK_EXP) CASE(CK_LOG) CASE(CK_TANH) CASE(CK_SIGMOID) \
  CASE(CK_SILU) CASE(CK_SQRT) CASE(CK_ABS) CASE(CK_RELU_SQUARED)

static void unary(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_unary g = *(const ck_unary *)arguments;
  REAL *y = g.y;
  const REAL *x = g.x;
  (void)scratch;
  switch (g.op) {
#define CASE(OP) case OP: EACH_VECTOR(i, n, begin, end) store_n(y + i, activation(OP, load_n(x + i, n)), n); break;
    UNARY_OPS(CASE)
#undef CASE
  }
}

// Reads of x and y only what the derivative is taken from.
static void unary_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_unary_backward g = *(const ck_unary_backward *)arguments;
  REAL *dx = g.dx;
  const REAL *dy = g.dy, *x = g.x, *y = g.y;
  (void)scratch;
  switch (g.op) {
#define CASE(OP) \
  case OP: \
    EACH_VECTOR(i, n, begin, end) { \
      const vec value = y ? load_n(y + i, n) : activation(OP, load_n(x + i, n)); \
      const vec d = derivative(OP, load_n(x + i, n), value) * load_n(dy + i, n); \
      store_n(dx + i, g.accumulate ? load_n(dx + i, n) + d : d, n); \
    } \
    break;
    UNARY_OPS(CASE)
#undef CASE
  }
}

static void affine(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_affine g = *(const ck_affine *)arguments;
  REAL *y = g.y;
  const REAL *x = g.x;
  const vec scale = splat((REAL)g.scale), shift = splat((REAL)g.shift);
  (void)scratch;
  if (g.accumulate) {
    EACH_VECTOR(i, n, begin, end)
      store_n(y + i, load_n(y + i, n) + fma_(scale, load_n(x + i, n), shift), n);
  } else {
    EACH_VECTOR(i, n, begin, end) store_n(y + i, fma_(scale, load_n(x + i, n), shift), n);
  }
}

static void clip(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_clip g = *(const ck_clip *)arguments;
  const vec low = splat((REAL)g.low), high = splat((REAL)g.high);
  (void)scratch;
  EACH_VECTOR(i, n, begin, end) {
    vec v = load_n((const REAL *)g.x + i, n);
    store_n((REAL *)g.y + i, select(v < low, low, select(v > high, high, v)), n);
  }
}

static void clip_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_clip_backward g = *(const ck_clip_backward *)arguments;
  const vec low = splat((REAL)g.low), high = splat((REAL)g.high);
  REAL *dx = g.dx;
  (void)scratch;
  EACH_VECTOR(i, n, begin, end) {
    vec v = load_n((const REAL *)g.x + i, n);
    vec d = select((v >= low) & (v <= high), load_n((const REAL *)g.dy + i, n), splat(0));
    store_n(dx + i, g.accumulate ? load_n(dx + i, n) + d : d, n);
  }
}

static void fill(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_fill g = *(const ck_fill *)arguments;
  REAL *y = g.y;
  (void)scratch;
  EACH_VECTOR(i, n, begin, end) store_n(y + i, splat((REAL)g.value), n);
}

// Keeps an element where its random word lies at or above rate · 2³².
static void dropout(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_dropout g = *(const ck_dropout *)arguments;
  REAL *y = g.y;
  const REAL *x = g.x;
  const uint32_t threshold = dropout_threshold(g.rate);
  const REAL keep = (REAL)(1 / (1 - g.rate));
  (void)scratch;
  for (ck_index first = begin / PHILOX_WORDS * PHILOX_WORDS; first < end; first += PHILOX_WORDS) {
    uint32_t words[PHILOX_WORDS];
    philox(g.key, (uint32_t)(first / 4), g.counter1, g.counter2, g.counter3, words);
    const ck_index low = first < begin ? begin : first;
    const ck_index past = end - first < PHILOX_WORDS ? end : first + PHILOX_WORDS;
    REAL factors[PHILOX_WORDS];
    for (ck_index i = 0; i < PHILOX_WORDS; i++) factors[i] = words[i] >= threshold ? keep : 0;
    EACH_VECTOR(i, n, low, past) {
      const vec kept = load_n(x + i, n) * load_n(factors + (i - first), n);
      store_n(y + i, g.accumulate ? load_n(y + i, n) + kept : kept, n);
    }
  }
}
