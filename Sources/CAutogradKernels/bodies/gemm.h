// Matrix product. Every output element is one chain of fused multiply-adds, k ascending, or the sum of two: vectors run
// along n, nothing is summed across lanes, and a block of k continues the chain through C or, where it is another half,
// is added to it. Tiles, m and threads therefore cannot be seen in the result.
//
// With PAIRS the operands are rounded to bfloat16 as they are packed, two neighbours along k to a 32-bit lane: a step
// of the loop multiplies pairs and adds both products to a float. An odd k is filled up with zeros.

#define NR (2 * LANES)

#include "epilogue.h"

#if PAIRS
#define STEP 2
#else
#define STEP 1
#endif
#define STEPS(k) (((k) + STEP - 1) / STEP)

#if PAIRS
// Numbers as bits: a pair that looks like a signalling NaN must not pass through arithmetic.
INLINE vec splat_step(const REAL *pair) { return (vec)_mm512_set1_epi32(*(const int32_t *)pair); }

INLINE vec multiply_add(vec a, vec b, vec c) { return (vec)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b); }

// The first number of each pair, with zeros beside it.
INLINE vec first_of_step(vec pairs) { return (vec)((ivec)pairs & 0xFFFF); }

// The second one, likewise.
INLINE vec second_of_step(vec pairs) { return (vec)((ivec)pairs & (INTEGER)0xFFFF0000); }

// Rounds 32 neighbours along k, the first 16 in `low`, to 16 pairs.
INLINE vec pairs_along(vec low, vec high) { return (vec)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low); }

// Rounds 16 columns of k and of k + 1 to 16 pairs.
INLINE vec pairs_across(vec even, vec odd) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                         20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (vec)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even));
}

// Of 32 numbers of two rows each, 16 pairs across the rows: the first 16, and the last.
INLINE vec low_pairs(vec even, vec odd) {
  const __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                         5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  return (vec)_mm512_permutex2var_epi16((__m512i)even, order, (__m512i)odd);
}

INLINE vec high_pairs(vec even, vec odd) {
  const __m512i order = _mm512_set_epi16(63, 31, 62, 30, 61, 29, 60, 28, 59, 27, 58, 26, 57, 25, 56, 24, 55, 23, 54, 22,
                                         53, 21, 52, 20, 51, 19, 50, 18, 49, 17, 48, 16);
  return (vec)_mm512_permutex2var_epi16((__m512i)even, order, (__m512i)odd);
}
#else
INLINE vec splat_step(const REAL *element) { return splat(*element); }

INLINE vec multiply_add(vec a, vec b, vec c) { return fma_(a, b, c); }

INLINE vec first_of_step(vec elements) { return elements; }

INLINE vec second_of_step(vec elements) { return elements; }

// The nearest bfloat16, ties to even; subnormal numbers become zeros, as the instructions for pairs have it.
INLINE vec rounded_to_bfloat16(vec x) {
#if REAL_BITS == 32
  const ivec bits = (ivec)x, sign = bits & INTEGER_MIN;
  const ivec nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) & (INTEGER)0xFFFF0000;
  const vec y = select(absolute(x) < splat(0x1p-126f), (vec)sign, (vec)nearest);
  return select(x != x, (vec)((bits | 0x400000) & (INTEGER)0xFFFF0000), y);
#else
  return x;
#endif
}
#endif

// Asks for a line of memory that will be wanted soon. Packing reads more streams at once than the hardware follows by
// itself; what it waited for was most of its time.
#define SOON(address) __builtin_prefetch(address, 0, 2)

// Memory that will be wanted soon, a line for each step of a tile: `step` elements further on each time and, after
// every `count` of them, `gap` more.
typedef struct stream { const REAL *at; ck_index step, count, gap; } stream;

INLINE stream without_gaps(const REAL *at, ck_index step) { return (stream){at, step, PTRDIFF_MAX, 0}; }

// sums[rows, 2 vectors] += A[rows, a step of k] · B[a step, NR]
INLINE void multiply_step(vec sums[MR][2], const int rows, const int vectors, const REAL *a, ck_index a_row,
                          const REAL *b) {
  vec right[2];
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) right[v] = load(b + v * LANES);
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
    const vec left = splat_step(a + i * a_row);
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) sums[i][v] = multiply_add(left, right[v], sums[i][v]);
  }
}

// C[rows, 2 vectors] (+)= A[rows, k] · B[k, NR]: the register tile. `a_row` and `a_k` are A's strides, B is a
// packed panel. Only `columns` of the NR columns of C exist. `steps` counts what is packed: elements of k, or pairs.
// `kind` is constant. TRIANGLE: the rows go on, row i over elements steps · STEP ... steps · STEP + i of k. PASSING: C
// is written past the caches; it is aligned to vectors, and whole. `ahead`, which may be NULL, is asked for meanwhile.
enum tile_kind { PLAIN, TRIANGLE, PASSING };

INLINE void tile(const int rows, const int vectors, const enum tile_kind kind, ck_index steps, const REAL *a,
                 ck_index a_row, ck_index a_k, const REAL *b, REAL *c, ck_index c_row, ck_index columns,
                 ck_onto onto, const stream *ahead) {
  vec sums[MR][2];
  const ck_index last = columns - (vectors - 1) * LANES;
  if (onto == CK_CONTINUES) {
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) {
        sums[i][v] = v == vectors - 1 ? load_n(c + i * c_row + v * LANES, last) : load(c + i * c_row + v * LANES);
      }
    }
  } else {
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) sums[i][v] = (vec){0};
    }
  }
  // Whole tiles by several steps: what counts them takes fewer instructions.
  const ck_index together = rows == MR ? STEPS_TOGETHER : 1;
  const REAL *wanted = ahead ? ahead->at : NULL;
  for (ck_index rest = steps; rest > 0;) {
    // As many as there are, or as come before the next gap of what is asked for.
    ck_index count = ahead && ahead->count < rest ? ahead->count : rest;
    rest -= count;
    for (; count >= together; count -= together) {
#pragma clang loop unroll(full)
      for (int step = 0; step < together; step++) {
        if (ahead) SOON(wanted + step * ahead->step);
        multiply_step(sums, rows, vectors, a + step * a_k, a_row, b + step * NR);
      }
      if (ahead) wanted += together * ahead->step;
      a += together * a_k;
      b += together * NR;
    }
    for (; together > 1 && count > 0; count--) {
      multiply_step(sums, rows, vectors, a, a_row, b);
      if (ahead) SOON(wanted), wanted += ahead->step;
      a += a_k;
      b += NR;
    }
    if (ahead) wanted += ahead->gap;
  }
  if (kind == TRIANGLE) {
#pragma clang loop unroll(full)
    for (int first = 0; first < rows; first += STEP) {
      vec right[2];
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) right[v] = load(b + v * LANES);
#pragma clang loop unroll(full)
      for (int i = first; i < rows; i++) {
        const vec left = splat_step(a + i * a_row);
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
          sums[i][v] = multiply_add(left, i == first ? first_of_step(right[v]) : right[v], sums[i][v]);
        }
      }
      a += a_k;
      b += NR;
    }
  }
  if (onto == CK_ADDS) {
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) {
        sums[i][v] += v == vectors - 1 ? load_n(c + i * c_row + v * LANES, last) : load(c + i * c_row + v * LANES);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      if (kind == PASSING) __builtin_nontemporal_store(sums[i][v], (vec *)(c + i * c_row + v * LANES));
      else if (v == vectors - 1) store_n(c + i * c_row + v * LANES, sums[i][v], last);
      else store(c + i * c_row + v * LANES, sums[i][v]);
    }
  }
}

#define CASES_OF(CASE) \
  CASE(1) CASE(2) CASE(3) CASE(4) MORE_CASES(CASE)

// The tile of `rows` rows, 1 to MR.
INLINE void tile_of(int rows, const int vectors, const enum tile_kind kind, ck_index steps, const REAL *a,
                    ck_index a_row, ck_index a_k, const REAL *b, REAL *c, ck_index c_row, ck_index columns,
                    ck_onto onto, const stream *ahead) {
  switch (rows) {
#define CASE(R) case R: tile(R, vectors, kind, steps, a, a_row, a_k, b, c, c_row, columns, onto, ahead); break;
    CASES_OF(CASE)
#undef CASE
  }
}

// A by its two strides: attention reads probabilities in both directions without copying them.
static __attribute__((noinline)) void any_tile(int rows, ck_index steps, const REAL *a, ck_index a_row, ck_index a_k,
                                               const REAL *b, REAL *c, ck_index c_row, ck_index columns,
                                               ck_onto onto) {
  if (columns > LANES) tile_of(rows, 2, PLAIN, steps, a, a_row, a_k, b, c, c_row, columns, onto, NULL);
  else tile_of(rows, 1, PLAIN, steps, a, a_row, a_k, b, c, c_row, columns, onto, NULL);
}

// Row i over the first steps · STEP + i + 1 elements of k. The elements of a row lie side by side.
static __attribute__((noinline)) void triangle_tile(int rows, ck_index steps, const REAL *a, ck_index a_row,
                                                    const REAL *b, REAL *c, ck_index c_row, ck_index columns,
                                                    ck_onto onto) {
  if (columns > LANES) tile_of(rows, 2, TRIANGLE, steps, a, a_row, 1, b, c, c_row, columns, onto, NULL);
  else tile_of(rows, 1, TRIANGLE, steps, a, a_row, 1, b, c, c_row, columns, onto, NULL);
}

// A packed into a panel of MR rows, C whole and aligned.
static __attribute__((noinline)) void passing_tile(int rows, ck_index steps, const REAL *a, const REAL *b, REAL *c,
                                                   ck_index c_row, const stream *ahead) {
  tile_of(rows, 2, PASSING, steps, a, 1, MR, b, c, c_row, NR, CK_WRITES, ahead);
}

// A packed into a panel of MR rows.
static __attribute__((noinline)) void packed_tile(int rows, ck_index steps, const REAL *a, const REAL *b, REAL *c,
                                                  ck_index c_row, ck_index columns, ck_onto onto,
                                                  const stream *ahead) {
  if (columns == NR) tile_of(rows, 2, PLAIN, steps, a, 1, MR, b, c, c_row, NR, onto, ahead);
  else if (columns > LANES) tile_of(rows, 2, PLAIN, steps, a, 1, MR, b, c, c_row, columns, onto, ahead);
  else tile_of(rows, 1, PLAIN, steps, a, 1, MR, b, c, c_row, columns, onto, ahead);
}

#include "packing.h"
#if REAL_BITS == 32
#include "weight_formats.h"
#endif

// Elements that `panels` panels of `width` take, up to the end of a cache line.
INLINE ck_index packed_count(ck_index panels, ck_index width, ck_index k) {
  return (panels * width * STEPS(k) + LINE - 1) / LINE * LINE;
}

// Packs `count` rows of A or columns of B, from the first on.
INLINE void pack_operand(REAL *packed, const ck_operand *operand, ck_index first, ck_index count, int is_b, ck_index k,
                         int rounds) {
  pack(packed, is_b ? NR : MR, (const REAL *)operand->start + first * operand->stride, operand->stride,
       operand->k_stride, count, k, rounds);
}

static void gemm_pack(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_gemm_pack g = *(const ck_gemm_pack *)arguments;
  const ck_index width = g.is_b ? NR : MR;
  const ck_index first = begin * width, past = end * width < g.operand.count ? end * width : g.operand.count;
  (void)scratch;
  pack_operand((REAL *)g.packed + first * STEPS(g.k), &g.operand, first, past - first, g.is_b, g.k, g.rounds);
}

// The tile of C whose first element is (row, column). Behind it, `beside` elements away, lies the next one, if any.
INLINE void multiply_tile(const ck_gemm *g, const REAL *a, const REAL *b, ck_index row, ck_index column, ck_index rows,
                          ck_index columns, ck_index beside, const int passing, const stream *ahead) {
  REAL *c = (REAL *)g->c + row * g->c_stride + column;
  const ck_index steps = STEPS(g->k);
  if (passing && columns == NR) {
    passing_tile((int)rows, steps, a, b, c, g->c_stride, ahead);
    return;
  }
  if (g->has_epilogue) ask_for(&g->epilogue, g->c_stride, row, column, rows, columns);
  // The next tile: its lines are here when it begins or, where it only writes, when it ends.
  for (ck_index i = 0; beside && i < rows; i++) {
    for (ck_index j = 0; j < columns; j += LINE) __builtin_prefetch(c + beside + i * g->c_stride + j, 1, 3);
  }
  packed_tile((int)rows, steps, a, b, c, g->c_stride, columns, g->onto, ahead);
  if (g->has_epilogue) finish(&g->epilogue, (REAL *)g->c, g->c_stride, row, column, rows, columns);
}

INLINE ck_index at_most(ck_index count, ck_index most) { return count < most ? count : most; }

// Rows of A or columns of B, as they lie in memory. `lines` counts those of a stored weight, which are neighbours: then
// nothing else but the start is meant.
typedef struct source {
  const REAL *start; ck_index count, stride, k_stride, k; const ck_rule *update; ck_index lines;
} source;

// Weights whose deferred update is applied as they are packed: each tile asks for one of their arrays, in turns the
// values, the gradient and each of the rule's states, for `rows` rows. A tile takes as many steps as a row has elements
// to pack, or pairs.
INLINE stream stream_of_update(const source *next, ck_index call, ck_index calls, const REAL *nothing) {
  const ck_piece *parameter = next->update->pieces;
  const ck_index arrays = 2 + next->update->state_count, array = call % arrays;
  const ck_index rows = (arrays * next->count + calls - 1) / calls, first = call / arrays * rows;
  if (calls < arrays || rows > LINE || first >= next->count) return without_gaps(nothing, 0);
  const REAL *start = array == 0 ? parameter->value : array == 1 ? parameter->gradient : parameter->states[array - 2];
  const REAL *at = start + index_in(next->update, next->start + first * next->stride);
  const ck_index step = rows * STEP, count = (next->k + step - 1) / step;
  return (stream){at, step, count, next->stride - count * step};
}

// What the tile number `call` of `calls` asks for of the next source, if there is one: a row along k, or a line of it
// down all k; `nothing` is what is there already.
INLINE stream stream_of(const source *next, ck_index call, ck_index calls, const REAL *nothing) {
  if (next->count <= 0) return without_gaps(nothing, 0);
  if (next->lines) {
    const ck_index first = call * STEPS(next->k);
    return first < next->lines ? without_gaps(next->start + first * LINE, LINE) : without_gaps(nothing, 0);
  }
  if (next->update) return stream_of_update(next, call, calls, nothing);
  if (next->k_stride == 1) {
    if (call < next->count) return without_gaps(next->start + call * next->stride, STEP);
  } else {
    const ck_index lines = (next->count + LINE - 1) / LINE, steps = STEPS(next->k);
    const ck_index line = call % lines, first = call / lines * steps;
    if (first < next->k) return without_gaps(next->start + line * LINE + first * next->k_stride, next->k_stride);
  }
  return without_gaps(nothing, 0);
}

// `count` of the thread's own rows (columns) from `first` on, packed in panels `own_panel` apart, with all panels of
// the common operand. Meanwhile asks for the `next` that will be packed.
INLINE void multiply_panels(const ck_gemm *g, const int owns_columns, const REAL *own, ck_index own_panel,
                            ck_index first, ck_index count, const REAL *common, ck_index panels, const int passing,
                            const source *next) {
  const ck_index own_width = owns_columns ? NR : MR, common_width = owns_columns ? MR : NR, steps = STEPS(g->k);
  const ck_index calls = panels * ((count + own_width - 1) / own_width);
  ck_index call = 0;
  for (ck_index panel = 0; panel < panels; panel++) {
    const ck_index at = panel * common_width, wide = at_most(g->common.count - at, common_width);
    const REAL *theirs = common + at * steps;
    const REAL *mine = own;
    for (ck_index i = 0; i < count; i += own_width, mine += own_panel) {
      const ck_index high = at_most(count - i, own_width), is_last = i + own_width >= count;
      const stream ahead = stream_of(next, call++, calls, mine);
      if (owns_columns) multiply_tile(g, theirs, mine, at, first + i, wide, high, is_last ? 0 : NR, passing, &ahead);
      else multiply_tile(g, mine, theirs, first + i, at, high, wide, is_last ? 0 : MR * g->c_stride, passing, &ahead);
    }
  }
}

// The first of the own rows (columns) in a part.
INLINE ck_index part_begin(const ck_gemm *g, ck_index part) {
  return part == g->parts ? g->own.count : g->own.count * part / g->parts / g->part_multiple * g->part_multiple;
}

// The common operand, packed for all or, where it is not, by this thread, as the first bytes of its scratch say: 1 or 2
// for the first or second half of k, or for all of it. `rest` is the scratch behind it.
INLINE const REAL *common_panels(const ck_gemm *g, int half, ck_index panels, ck_index width, void *scratch, REAL **rest) {
  int *packed_half = scratch;
  REAL *copy = (REAL *)((char *)scratch + 64);
  *rest = copy;
  if (g->packed_common) return g->packed_common;
  *rest += packed_count(panels, width, g->k);
  if (*packed_half != half) pack_operand(copy, &g->common, 0, g->common.count, !g->owns_columns, g->k, g->rounds);
  *packed_half = half;
  return copy;
}

// The product over half of k.
INLINE ck_gemm half_product(const ck_gemm *g, const int second) {
  ck_gemm half = *g;
  if (second) {
    half.own.start = (const REAL *)g->own.start + g->first_half * g->own.k_stride;
    half.common.start = (const REAL *)g->common.start + g->first_half * g->common.k_stride;
  }
  half.k = second ? g->k - g->first_half : g->first_half;
  return half;
}

#if REAL_BITS == 32
// The columns [first, first + count) of a stored weight, in panels `own_panel` elements apart: where they lie or, where
// they are not packed, in `room`. The first begins a panel or, where the weight is turned around, a block.
INLINE const REAL *weight_panels(const ck_gemm *g, ck_index first, ck_index count, REAL *room, ck_index *own_panel) {
  const ck_weight *w = g->weight;
  if (g->weight_turned) {
    turn_weight(room, w, first, count, g->weight_k, g->k, g->rounds);
    return room;
  }
  if (is_packed(w, g->rounds)) {
    *own_panel = w->panel_bytes / (ck_index)sizeof(REAL);
    return (const REAL *)panel_of(w, first / NR) + STEPS(g->weight_k) * NR;
  }
  unpack_weight(room, w, first, count, g->weight_k, g->k, g->rounds);
  return room;
}

// What follows them; only where a block of k is all of it are panels neighbours.
INLINE source weight_source(const ck_gemm *g, ck_index first, ck_index count) {
  const ck_weight *w = g->weight;
  if (g->weight_turned) return (source){(const REAL *)w->panels, 0, 0, 0, g->k, NULL, 0};
  const ck_index lines = (count + NR - 1) / NR * w->panel_bytes / 64;
  return (source){(const REAL *)panel_of(w, first / NR), g->k == w->k ? count : 0, 0, 0, g->k, NULL, lines};
}
#endif

static void gemm_unit(const ck_gemm *g, ck_index unit, int half, void *scratch) {
  const ck_index width = g->owns_columns ? MR : NR, panels = (g->common.count + width - 1) / width;
  const ck_index part = (unit / g->tiles_per_part + g->rotation) % g->parts, past = part_begin(g, part + 1);
  const ck_index first = part_begin(g, part) + unit % g->tiles_per_part * g->own_per_tile;
  const ck_index count = at_most(past - first, g->own_per_tile);
  if (count <= 0) return;
  // Further columns lie whole vectors further on.
  const uintptr_t start = (uintptr_t)((const REAL *)g->c + (g->owns_columns ? first : 0));
  const int aligned = (start | (uintptr_t)(g->c_stride * (ck_index)sizeof(REAL))) % VECTOR_BYTES == 0;
  const int passing = g->passes_caches && aligned;
  source next = {(const REAL *)g->own.start + (first + count) * g->own.stride,
                 at_most(past - first - count, g->own_per_tile), g->own.stride, g->own.k_stride, g->k, g->update, 0};
  REAL *room;
  const REAL *common = common_panels(g, half, panels, width, scratch, &room), *own = room;
  ck_index own_panel = (g->owns_columns ? NR : MR) * STEPS(g->k);
#if REAL_BITS == 32
  if (g->weight) {
    own = weight_panels(g, first, count, room, &own_panel);
    next = weight_source(g, first + count, next.count);
  }
#endif
  if (g->update) {
    const ck_index at = index_in(g->update, (const REAL *)g->own.start + first * g->own.stride);
    g->update->update(g->update, g->update->pieces, at, g->own.stride, count, g->k, NULL);
  }
  if (!g->weight) pack_operand(room, &g->own, first, count, g->owns_columns, g->k, g->rounds);
  if (g->owns_columns) multiply_panels(g, 1, own, own_panel, first, count, common, panels, passing, &next);
  else multiply_panels(g, 0, own, own_panel, first, count, common, panels, passing, &next);
}

static void gemm(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_gemm g = *(const ck_gemm *)arguments;
  for (ck_index unit = begin; unit < end; unit++) {
    if (g.first_half) {
      const int second = unit * 2 >= g.parts * g.tiles_per_part;
      const ck_gemm half = half_product(&g, second);
      gemm_unit(&half, unit, second ? 2 : 1, scratch);
    } else {
      gemm_unit(&g, unit, 1, scratch);
    }
  }
  // What passed the caches is seen by others only after this.
  if (g.passes_caches) __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
