// What a product does to a tile of C before it leaves the cache: bias, activation, residual, gates. Part of gemm.h and
// of the products with stored weights.

// A line of the cache, in elements.
#define LINE ((ck_index)(64 / sizeof(REAL)))

// Asks for what `finish` will read and write of a tile besides C, to be here when the tile has been multiplied.
INLINE void ask_for(const ck_epilogue *e, ck_index c_stride, ck_index row, ck_index column, ck_index rows,
                    ck_index columns) {
  for (ck_index i = row; i < row + rows; i++) {
    for (ck_index at = i * c_stride + column; at < i * c_stride + column + columns; at += LINE) {
      if (e->preactivation) __builtin_prefetch((REAL *)e->preactivation + at, 1, 3);
      if (e->residual) __builtin_prefetch((const REAL *)e->residual + at, 0, 3);
      if (e->gated) __builtin_prefetch((REAL *)e->gated + at / 2, 1, 3);
    }
  }
}

INLINE void finish_rows(const ck_epilogue *e, const int op, REAL *c, ck_index c_stride, ck_index row, ck_index column,
                        ck_index rows, ck_index columns) {
  for (ck_index i = row; i < row + rows; i++) {
    const ck_index at = i * c_stride + column;
    EACH_VECTOR(j, n, 0, columns) {
      vec v = load_n(c + at + j, n);
      if (e->bias) v += load_n((const REAL *)e->bias + column + j, n);
      if (e->preactivation) store_n((REAL *)e->preactivation + at + j, v, n);
      v = activation(op, v);
      if (e->residual) v += load_n((const REAL *)e->residual + at + j, n);
      store_n(c + at + j, v, n);
    }
  }
}

// Columns are pairs of a gate and what it is multiplied by; `columns` is even.
INLINE void gate_rows(const ck_epilogue *e, const int op, REAL *c, ck_index c_stride, ck_index row, ck_index column,
                      ck_index rows, ck_index columns) {
  for (ck_index i = row; i < row + rows; i++) {
    REAL *z = c + i * c_stride + column;
    REAL *y = (REAL *)e->gated + (i * c_stride + column) / 2;
    for (ck_index j = 0; j < columns; j += 2 * LANES) {
      const ck_index n = columns - j < LANES ? columns - j : LANES;
      const ck_index more = columns - j - n < LANES ? columns - j - n : LANES;
      vec low = load_n(z + j, n), high = more > 0 ? load_n(z + j + LANES, more) : (vec){0};
      if (e->bias) {
        const REAL *bias = (const REAL *)e->bias + column + j;
        low += load_n(bias, n);
        store_n(z + j, low, n);
        if (more > 0) high += load_n(bias + LANES, more);
        if (more > 0) store_n(z + j + LANES, high, more);
      }
      vec gate, factor;
      take_apart(low, high, &gate, &factor);
      store_n(y + j / 2, activation(op, gate) * factor, (n + more) / 2);
    }
  }
}

static __attribute__((noinline)) void finish(const ck_epilogue *epilogue, REAL *c, ck_index c_stride, ck_index row,
                                             ck_index column, ck_index rows, ck_index columns) {
  const ck_epilogue e = *epilogue;
  if (e.activation == CK_ACTIVATION_NONE) {
    finish_rows(&e, CK_ACTIVATION_NONE, c, c_stride, row, column, rows, columns);
    return;
  }
  switch ((ck_unary_op)e.activation) {
#define CASE(OP) \
  case OP: \
    if (e.gated) gate_rows(&e, OP, c, c_stride, row, column, rows, columns); \
    else finish_rows(&e, OP, c, c_stride, row, column, rows, columns); \
    break;
    LAYER_ACTIVATIONS(CASE)
#undef CASE
  // No layer's activation. Without a default, so that the compiler names a function that is missing here.
  case CK_EXP: case CK_LOG: case CK_SQRT: case CK_ABS: __builtin_trap();
  }
}
