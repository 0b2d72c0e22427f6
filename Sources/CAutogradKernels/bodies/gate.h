// Gates: one number of a pair, through an activation, times the other. What the epilogue of a product does to a tile
// (gemm.h), over elements, and its backward.

// The pairs of n elements from number i on.
INLINE void load_pairs(const REAL *z, ck_index i, ck_index n, vec *gate, vec *factor) {
  const REAL *at = z + 2 * i;
  const ck_index low = 2 * n < LANES ? 2 * n : LANES, high = 2 * n - low;
  take_apart(load_n(at, low), high > 0 ? load_n(at + LANES, high) : (vec){0}, gate, factor);
}

INLINE void store_pairs(REAL *z, ck_index i, ck_index n, vec gate, vec factor) {
  REAL *at = z + 2 * i;
  const ck_index rest = 2 * n < LANES ? 2 * n : LANES;
  vec low, high;
  put_together(gate, factor, &low, &high);
  store_n(at, low, rest);
  if (2 * n > rest) store_n(at + LANES, high, 2 * n - rest);
}

static void gate(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_gate g = *(const ck_gate *)arguments;
  (void)scratch;
  switch (g.op) {
#define CASE(OP) \
  case OP: \
    EACH_VECTOR(i, n, begin, end) { \
      vec first, second; \
      load_pairs(g.z, i, n, &first, &second); \
      store_n((REAL *)g.y + i, activation(OP, first) * second, n); \
    } \
    break;
    LAYER_ACTIVATIONS(CASE)
#undef CASE
  // No layer's activation. Without a default, so that the compiler names a function that is missing here.
  case CK_EXP: case CK_LOG: case CK_SQRT: case CK_ABS: __builtin_trap();
  }
}

static void gate_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_gate_backward g = *(const ck_gate_backward *)arguments;
  (void)scratch;
  switch (g.op) {
#define CASE(OP) \
  case OP: \
    EACH_VECTOR(i, n, begin, end) { \
      vec first, second; \
      load_pairs(g.z, i, n, &first, &second); \
      const vec d = load_n((const REAL *)g.dy + i, n), value = activation(OP, first); \
      store_pairs(g.dz, i, n, derivative(OP, first, value) * second * d, value * d); \
    } \
    break;
    LAYER_ACTIVATIONS(CASE)
#undef CASE
  case CK_EXP: case CK_LOG: case CK_SQRT: case CK_ABS: __builtin_trap();
  }
}
