// Packing: rows of A and columns of B into the panels that a register tile reads from end to end, turned around and
// rounded on the way. Part of gemm.h, which says what a step is.

// Transposes a LANES × LANES block held in registers: log₂ steps that swap ever larger halves.
INLINE void transpose(vec *rows) {
#define SWAP(D) \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < LANES; i++) { \
    if (i & D) continue; \
    vec low = rows[i], high = rows[i + D]; \
    rows[i] = __builtin_shufflevector(low, high, LANE_LIST(LOW1, D)); \
    rows[i + D] = __builtin_shufflevector(low, high, LANE_LIST(HIGH1, D)); \
  }
  SWAP(1)
#if VECTOR_BYTES * 8 / REAL_BITS >= 4
  SWAP(2)
#endif
#if VECTOR_BYTES * 8 / REAL_BITS >= 8
  SWAP(4)
#endif
#if VECTOR_BYTES * 8 / REAL_BITS >= 16
  SWAP(8)
#endif
#undef SWAP
}

// One vector of steps along k, from `at` on, of which `rest` elements exist.
INLINE vec steps_along(const REAL *at, ck_index rest, const int rounds) {
  const vec low = load_n(at, rest < LANES ? rest : LANES);
#if PAIRS
  (void)rounds;
  return pairs_along(low, rest > LANES ? load_n(at + LANES, rest - LANES < LANES ? rest - LANES : LANES) : (vec){0});
#else
  return rounds ? rounded_to_bfloat16(low) : low;
#endif
}

// LANES rows of `source`, of which `valid` exist, turned into steps of `width`: target[step · width + row]. `rest`
// elements of each row exist. The first `lanes` of a step are stored; what does not exist is zero. Everything has
// constant indices, so that the block lies in registers.
INLINE void turn(REAL *target, const ck_index width, const ck_index lanes, const REAL *source, ck_index row,
                 ck_index valid, ck_index rest, const int rounds) {
  static const REAL nothing[STEP * VECTOR_BYTES / sizeof(REAL)];
  vec block[VECTOR_BYTES / sizeof(REAL)];
#pragma clang loop unroll(full)
  for (ck_index lane = 0; lane < LANES; lane++) {
    // The same elements of the next vector's rows.
    const REAL *ahead = source + (lanes + lane) * row;
#pragma clang loop unroll(full)
    for (ck_index at = 0; at < STEP * LANES; at += LINE) SOON(ahead + at);
    block[lane] = lane < lanes ? steps_along(lane < valid ? source + lane * row : nothing, rest, rounds) : (vec){0};
  }
  transpose(block);
#pragma clang loop unroll(full)
  for (ck_index step = 0; step < LANES; step++) {
    if (step < STEPS(rest)) store_n(target + step * width, block[step], lanes);
  }
}

// One panel: packed[step · width + i] = source[i · row + k] for i < count ≤ width; the rest of it is zero.
INLINE void pack_transposed(REAL *packed, const ck_index width, const REAL *source, ck_index row, ck_index count,
                            ck_index k, const int rounds) {
  for (ck_index i = 0; i < width; i += LANES) {
    const ck_index lanes = width - i < LANES ? width - i : LANES;
    const REAL *at = source + i * row;
    ck_index p = 0;
    for (; p + STEP * LANES <= k; p += STEP * LANES) {
      turn(packed + STEPS(p) * width + i, width, lanes, at + p, row, count - i, STEP * LANES, rounds);
    }
    if (p < k) turn(packed + STEPS(p) * width + i, width, lanes, at + p, row, count - i, k - p, rounds);
  }
}

// n lanes of which the first `valid` exist; the others are zero.
INLINE vec load_existing(const REAL *p, const ck_index n, ck_index valid) {
  return valid >= n ? load_n(p, n) : valid > 0 ? load_partial(p, valid) : (vec){0};
}

#define ROWS_AHEAD 16

// One step of a panel: row `at` of the source, and the next where a step holds two and `rest` says that it exists.
// `valid` columns exist.
INLINE void pack_step(REAL *target, const ck_index width, const REAL *at, ck_index row, ck_index valid, ck_index rest,
                      const int rounds) {
#pragma clang loop unroll(full)
  for (ck_index i = 0; i < width; i += LANES) {
    const ck_index n = width - i < LANES ? width - i : LANES;
    for (int step = 0; step < STEP; step++) SOON(at + i + (ROWS_AHEAD + step) * row);
    vec v = load_existing(at + i, n, valid - i);
#if PAIRS
    (void)rounds;
    v = pairs_across(v, rest > 1 ? load_existing(at + i + row, n, valid - i) : (vec){0});
#else
    (void)rest;
    if (rounds) v = rounded_to_bfloat16(v);
#endif
    store_n(target + i, v, n);
  }
}

// Neighbouring panels, where the elements of one k lie side by side: source[k · row + i].
INLINE void pack_straight(REAL *packed, const ck_index width, const REAL *source, ck_index row, ck_index count,
                          ck_index k, const int rounds) {
  for (ck_index p = 0; p < k; p += STEP) {
    const REAL *at = source + p * row;
    REAL *target = packed + STEPS(p) * width;
    ck_index first = 0;
    if (p + STEP <= k) {
      for (; first + width <= count; first += width) {
        pack_step(target + first * STEPS(k), width, at + first, row, width, STEP, rounds);
      }
    }
    for (; first < count; first += width) {
      pack_step(target + first * STEPS(k), width, at + first, row, count - first, k - p, rounds);
    }
  }
}

// Packs `count` rows or columns, whose elements along k lie `k_stride` apart, into panels of `width`.
INLINE void pack_panels(REAL *packed, const ck_index width, const REAL *source, ck_index stride, ck_index k_stride,
                        ck_index count, ck_index k, const int rounds) {
  // Rows of a straight operand lie on pages of their own. What is read of one at a time is long enough for the memory
  // to keep up, and short enough for what is written to stay in the second-level cache.
  const ck_index together = stride == 1 ? 6 * width : width;
  for (ck_index first = 0; first < count; first += together) {
    const ck_index rest = count - first < together ? count - first : together;
    REAL *target = packed + first * STEPS(k);
    const REAL *at = source + first * stride;
    if (stride == 1) pack_straight(target, width, at, k_stride, rest, k, rounds);
    else pack_transposed(target, width, at, stride, rest, k, rounds);
  }
}

static __attribute__((noinline)) void pack(REAL *packed, ck_index width, const REAL *source, ck_index stride,
                                           ck_index k_stride, ck_index count, ck_index k, int rounds) {
  if (width == MR) {
    if (rounds) pack_panels(packed, MR, source, stride, k_stride, count, k, 1);
    else pack_panels(packed, MR, source, stride, k_stride, count, k, 0);
  } else {
    if (rounds) pack_panels(packed, NR, source, stride, k_stride, count, k, 1);
    else pack_panels(packed, NR, source, stride, k_stride, count, k, 0);
  }
}
