// Rows of queries and keys as attention multiplies them: normalised, then rotated. They are made where they are read;
// the gradient that backward computes for them goes back the same way where it is written.

// Rows as they are multiplied: where they lie or, where they are prepared, in a thread's scratch.
typedef struct rows { const REAL *at; ck_index stride; } rows;

INLINE int prepares(const ck_attention *g) { return g->normalizes || g->cosines; }

// 1/√(mean of squares + ε) of a row.
INLINE REAL reciprocal_size(const REAL *x, ck_index D, double epsilon) {
  vec squares = {0};
  EACH_VECTOR(j, n, 0, D) {
    const vec v = load_n(x + j, n);
    squares = fma_(v, v, squares);
  }
  return 1 / SQRT(sum_lanes(squares) / (REAL)D + (REAL)epsilon);
}

// Turns each pair (a, b) of a row by the angle that the position has for it, or `back`: a·cos − b·sin, b·cos + a·sin.
INLINE void rotate(REAL *x, const ck_attention *g, ck_index token, const int back) {
  const ck_index position = g->positions ? g->positions[token] : token % g->T, pairs = g->rotary_size / 2;
  const REAL *cosines = (const REAL *)g->cosines + position * pairs, *sines = (const REAL *)g->sines + position * pairs;
  if (g->interleaves) {
    for (ck_index j = 0; j < pairs; j++) {
      const REAL a = x[2 * j], b = x[2 * j + 1], sine = back ? -sines[j] : sines[j];
      x[2 * j] = a * cosines[j] - b * sine;
      x[2 * j + 1] = b * cosines[j] + a * sine;
    }
    return;
  }
  EACH_VECTOR(j, n, 0, pairs) {
    const vec a = load_n(x + j, n), b = load_n(x + pairs + j, n);
    const vec cosine = load_n(cosines + j, n), sine = back ? -load_n(sines + j, n) : load_n(sines + j, n);
    store_n(x + j, a * cosine - b * sine, n);
    store_n(x + pairs + j, b * cosine + a * sine, n);
  }
}

// `count` rows of q or k from token number `token` of the batch on, x being the first; made in `room` where they are
// prepared.
INLINE rows prepared(const ck_attention *g, REAL *room, const REAL *x, ck_index stride, const REAL *weight,
                     ck_index token, ck_index count) {
  if (!prepares(g)) return (rows){x, stride};
  const ck_index depth = padded(g->D);
  for (ck_index i = 0; i < count; i++) {
    const REAL *from = x + i * stride;
    REAL *to = room + i * depth;
    const vec factor = splat(g->normalizes ? reciprocal_size(from, g->D, g->norm_epsilon) : 1);
    EACH_VECTOR(j, n, 0, g->D) {
      vec v = load_n(from + j, n);
      if (g->normalizes) v *= factor;
      if (weight) v *= load_n(weight + j, n);
      store_n(to + j, v, n);
    }
    if (g->cosines) rotate(to, g, token + i, 0);
  }
  return (rows){room, depth};
}

// ---------------------------------------------------------------------------------------------------------
// Sums down columns, for the gradients of a norm's weights: terms are added up in a block, blocks to a total together
// with what each addition loses (Knuth's two-sum). In scratch: the block, the totals, what they lost.

#define COLUMN_SUMS 3

INLINE void end_block(REAL *sums, ck_index D) {
  REAL *block = sums, *total = sums + padded(D), *lost = total + padded(D);
  EACH_VECTOR(j, n, 0, D) {
    const vec term = load_n(block + j, n), before = load_n(total + j, n), sum = before + term, added = sum - before;
    store_n(lost + j, load_n(lost + j, n) + ((before - (sum - added)) + (term - added)), n);
    store_n(total + j, sum, n);
    store_n(block + j, splat(0), n);
  }
}

// Infinite sums make what they lost NaN: it counts only where it is a number.
INLINE void store_column_sums(REAL *out, const REAL *sums, ck_index D) {
  const REAL *total = sums + padded(D), *lost = total + padded(D);
  EACH_VECTOR(j, n, 0, D) {
    const vec sum = load_n(total + j, n), whole = sum + load_n(lost + j, n);
    store_n(out + j, select(whole == whole, whole, sum), n);
  }
}

// The gradient of a row x of q or k, from that of the prepared row, d, which is used up: dx = or += it. With x̂ = x·r,
// r = 1/√(mean(x²) + ε), and e = d turned back: dweight += e ∘ x̂, dx = r·(e ∘ weight − x̂·mean(e ∘ weight ∘ x̂)).
INLINE void store_row_gradient(const ck_attention *g, REAL *dx, const int accumulate, REAL *d, const REAL *x,
                               const REAL *weight, REAL *sums, ck_index token) {
  if (g->cosines) rotate(d, g, token, 1);
  vec reciprocal = splat(1), mean = splat(0);
  if (g->normalizes) {
    reciprocal = splat(reciprocal_size(x, g->D, g->norm_epsilon));
    vec inner = {0};
    EACH_VECTOR(j, n, 0, g->D) {
      const vec normalised = load_n(x + j, n) * reciprocal;
      vec e = load_n(d + j, n);
      if (sums) store_n(sums + j, fma_(e, normalised, load_n(sums + j, n)), n);
      if (weight) store_n(d + j, e *= load_n(weight + j, n), n);
      inner = fma_(e, normalised, inner);
    }
    mean = splat(sum_lanes(inner) / (REAL)g->D);
  }
  EACH_VECTOR(j, n, 0, g->D) {
    vec e = load_n(d + j, n);
    if (g->normalizes) e = reciprocal * (e - load_n(x + j, n) * reciprocal * mean);
    store_n(dx + j, accumulate ? load_n(dx + j, n) + e : e, n);
  }
}
