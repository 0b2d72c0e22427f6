// Stored weights: what the words of a panel stand for, and how a packed operand is made of them. Part of gemm.h. The
// layout is told in CAutogradKernelsWeights.h.
//
// A format is a line in CK_WEIGHT_FORMATS, its scales in weight_words.h, and functions here: `head_NAME`, the scales as
// its numbers want them; `word_NAME`, the vector of words that number `j` of a group is in; `number_NAME`, the vector
// of these numbers, every one exactly what the file's block stands for. `step_NAME` is made of them.

#include "weight_words.h"

// The half byte `j` of words, counted as k ascends, less `bias`.
INLINE vec half_byte(uvec word, const int j, const int bias) {
  const int shift = j < 4 ? 8 * j : 8 * (j - 4) + 4;
#if HAS_MASKS
  // Looked up: the instruction takes the lowest four bits of an index.
  const float b = (float)bias;
  const __m512 table = _mm512_setr_ps(0 - b, 1 - b, 2 - b, 3 - b, 4 - b, 5 - b, 6 - b, 7 - b, 8 - b, 9 - b, 10 - b,
                                      11 - b, 12 - b, 13 - b, 14 - b, 15 - b);
  return (vec)_mm512_permutexvar_ps((__m512i)(word >> shift), table);
#else
  return __builtin_convertvector((ivec)((word >> shift) & 15) - bias, vec);
#endif
}

INLINE head no_head(const char *block, const int part, const int v) {
  return (void)block, (void)part, (void)v, (head){0};
}

#define head_f32 no_head
#define head_f16 no_head
#define head_bf16 no_head
#define head_q4_0 scales_q4_0
#define head_q4_1 scales_q4_1
#define head_q4_K scales_q4_K

// What the numbers are multiplied by is in the scale: 2²⁴, and those of q6_K by 4 more.
#define HEAD_WITH(NAME, FACTOR) \
INLINE head head_##NAME(const char *block, const int part, const int v) { \
  const head h = scales_##NAME(block, part, v); \
  return (head){h.scale * splat(FACTOR), h.least}; \
}
HEAD_WITH(q8_0, 0x1p-24f) HEAD_WITH(q5_0, 0x1p-24f) HEAD_WITH(q5_1, 0x1p-24f) HEAD_WITH(q5_K, 0x1p-24f)
HEAD_WITH(q6_K, 0x1p-26f)
#undef HEAD_WITH

#define ONE_WORD(NAME) \
INLINE uvec word_##NAME(const char *group, const int j, const int v) { \
  return words(group + j / numbers_of_##NAME * WORDS, v); \
}
ONE_WORD(f32) ONE_WORD(f16) ONE_WORD(bf16) ONE_WORD(q8_0) ONE_WORD(q4_0) ONE_WORD(q4_1) ONE_WORD(q4_K)
#undef ONE_WORD

INLINE uvec word_q5_0(const char *group, const int j, const int v) { return bytes_of_five(group, j / 4, v); }

#define word_q5_1 word_q5_0
#define word_q5_K word_q5_0

INLINE uvec word_q6_K(const char *group, const int j, const int v) { return bytes_q6_K(group, j / 4, v); }

INLINE vec number_f32(uvec word, const int j, head h) { return (void)j, (void)h, (vec)word; }

INLINE vec number_f16(uvec word, const int j, head h) {
  return (void)h, half_numbers(j ? word >> 16 : word & 0xFFFF);
}

INLINE vec number_bf16(uvec word, const int j, head h) {
  return (void)h, (vec)(j ? word & 0xFFFF0000 : word << 16);
}

// The byte among the highest bits: 2²⁴ times the quant.
INLINE vec number_q8_0(uvec word, const int j, head h) {
  return __builtin_convertvector((ivec)((word << (24 - 8 * j)) & 0xFF000000), vec) * h.scale;
}

INLINE vec number_q6_K(uvec word, const int j, head h) { return number_q8_0(word, j % 4, h); }

INLINE vec number_q4_0(uvec word, const int j, head h) { return half_byte(word, j, 8) * h.scale; }

// The product is exact: the one rounding is that of the sum.
INLINE vec number_q4_1(uvec word, const int j, head h) { return fma_(half_byte(word, j, 0), h.scale, h.least); }

#define number_q4_K number_q4_1

// 2²⁴ times the byte, which is less than 32.
INLINE vec small_byte(uvec word, const int j) {
  return __builtin_convertvector((ivec)((word << (24 - 8 * (j % 4))) & 0x1F000000), vec);
}

INLINE vec number_q5_0(uvec word, const int j, head h) { return (small_byte(word, j) - splat(0x1p28f)) * h.scale; }

INLINE vec number_q5_1(uvec word, const int j, head h) { return fma_(small_byte(word, j), h.scale, h.least); }

#define number_q5_K number_q5_1

// The step whose first number is number `j` of a group at `group`, for the vector `v` of the panel's rows. Of the group
// `rest` numbers exist; where the second of a pair does not, it is zero.
#if PAIRS
// Pairs of this format are packed as they are.
#define PACKED_FORMAT CK_WEIGHT_BF16
#define STEP_OF(KIND, NAME, ...) \
INLINE vec step_##NAME(const char *group, const int j, const int v, head h, ck_index rest) { \
  const uvec word = word_##NAME(group, j, v); \
  if (KIND == PACKED_FORMAT) return (vec)word; \
  const vec even = number_##NAME(word, j % numbers_of_##NAME, h); \
  if (j + 1 >= rest) return pairs_across(even, (vec){0}); \
  return pairs_across(even, number_##NAME(word_##NAME(group, j + 1, v), (j + 1) % numbers_of_##NAME, h)); \
}
#else
#define PACKED_FORMAT CK_WEIGHT_F32
#define STEP_OF(KIND, NAME, ...) \
INLINE vec step_##NAME(const char *group, const int j, const int v, head h, ck_index rest) { \
  return (void)rest, number_##NAME(word_##NAME(group, j, v), j % numbers_of_##NAME, h); \
}
#endif
CK_WEIGHT_FORMATS(STEP_OF)
#undef STEP_OF

// ---------------------------------------------------------------------------------------------------------
// Unpacking

// A group of `rest` numbers at most, or the numbers [first, first + k) along k of a panel, as packed steps; the first
// begins a part.
#define UNPACK(KIND, NAME, ...) \
INLINE void unpack_group_##NAME(REAL *packed, const char *group, const head *h, ck_index rest, const int rounds) { \
  _Pragma("clang loop unroll(full)") for (int j = 0; j < group_of_##NAME; j += STEP) { \
    for (int v = 0; v < 2 && j < rest; v++) { \
      const vec numbers = step_##NAME(group, j, v, h[v], rest); \
      store(packed + j / STEP * NR + v * LANES, rounds ? rounded(numbers) : numbers); \
    } \
  } \
} \
INLINE void unpack_panel_##NAME(REAL *packed, const char *panel, ck_index first, ck_index k, const int rounds) { \
  enum { parts = block_of_##NAME / part_of_##NAME, taken = group_of_##NAME }; \
  const char *block = panel + first / block_of_##NAME * bytes_of_##NAME; \
  for (int part = (int)(first % block_of_##NAME / part_of_##NAME); k > 0; part = 0, block += bytes_of_##NAME) { \
    for (part = parts > 1 ? part : 0; part < parts && k > 0; part++, k -= part_of_##NAME) { \
      const head h[2] = {head_##NAME(block, part, 0), head_##NAME(block, part, 1)}; \
      const ck_index count = k < part_of_##NAME ? k : part_of_##NAME; \
      const char *group = block + NR * head_of_##NAME + part * (part_of_##NAME / taken * group_bytes_of_##NAME); \
      for (ck_index at = 0; at < count; at += taken, packed += taken / STEP * NR, group += group_bytes_of_##NAME) { \
        if (LIKELY(at + taken <= count)) unpack_group_##NAME(packed, group, h, taken, rounds); \
        else unpack_group_##NAME(packed, group, h, count - at, rounds); \
      } \
    } \
  } \
} \
static __attribute__((noinline)) void unpack_##NAME(REAL *packed, const char *panel, ck_index first, ck_index k, \
                                                    int rounds) { \
  if (rounds) unpack_panel_##NAME(packed, panel, first, k, 1); \
  else unpack_panel_##NAME(packed, panel, first, k, 0); \
}
#if PAIRS
#define rounded(x) (x)
#else
#define rounded(x) rounded_to_bfloat16(x)
#endif
CK_WEIGHT_FORMATS(UNPACK)
#undef UNPACK
#undef rounded

static void (*const unpack_of[])(REAL *packed, const char *panel, ck_index first, ck_index k, int rounds) = {
#define FORMAT(KIND, NAME, ...) unpack_##NAME,
  CK_WEIGHT_FORMATS(FORMAT)
#undef FORMAT
};

// The weight's panels are packed as a product wants them.
INLINE int is_packed(const ck_weight *w, int rounds) { return w->format == PACKED_FORMAT && !rounds; }

// The numbers [first, first + k) along k of `count` rows of the weight, from the panel of `row` on, as packed panels;
// `row` begins a panel, `first` a part.
INLINE void unpack_weight(REAL *packed, const ck_weight *w, ck_index row, ck_index count, ck_index first, ck_index k,
                          int rounds) {
  for (ck_index i = 0; i < count; i += NR) {
    unpack_of[w->format](packed + i * STEPS(k), panel_of(w, (row + i) / NR), first, k, rounds);
  }
}

// A block of inputs of a panel's rows, unpacked, turned around: of the first `rows` rows steps of NR inputs each; the
// next panel of the packed operand lies `panel` elements further on.
INLINE void turn_block(REAL *packed, ck_index panel, const REAL *numbers, ck_index rows) {
  for (int v = 0; v < 2; v++) {
#pragma clang loop unroll(full)
    for (int part = 0; part < CK_WEIGHT_BLOCK / STEP; part += LANES) {
      vec block[LANES];
#pragma clang loop unroll(full)
      for (int i = 0; i < LANES; i++) block[i] = load(numbers + (part + i) * NR + v * LANES);
      transpose(block);
      REAL *target = packed + part / NR * panel + v * LANES / STEP * NR + part % NR;
#pragma clang loop unroll(full)
      for (int i = 0; i < LANES; i += STEP) {
        if (v * LANES + i >= rows) continue;
#if PAIRS
        store(target + i / STEP * NR, low_pairs(block[i], block[i + 1]));
        store(target + i / STEP * NR + LANES, high_pairs(block[i], block[i + 1]));
#else
        store(target + i * NR, block[i]);
#endif
      }
    }
  }
}

// The inputs [first, first + count) of a weight as columns, whose elements along k are those of its rows
// [row, row + k), as packed panels; `first` begins a block of 32, `row` a panel.
INLINE void turn_weight(REAL *packed, const ck_weight *w, ck_index first, ck_index count, ck_index row, ck_index k,
                        int rounds) {
  REAL numbers[CK_WEIGHT_BLOCK / STEP * NR] __attribute__((aligned(64)));
  for (ck_index column = 0; column < count; column += CK_WEIGHT_BLOCK) {
    const ck_index rest = w->k - first - column, columns = rest < CK_WEIGHT_BLOCK ? rest : CK_WEIGHT_BLOCK;
    if (columns < CK_WEIGHT_BLOCK) memset(numbers, 0, sizeof numbers);
    for (ck_index i = 0; i < k; i += NR) {
      unpack_of[w->format](numbers, panel_of(w, (row + i) / NR), first + column, columns, rounds);
      turn_block(packed + column * STEPS(k) + STEPS(i) * NR, NR * STEPS(k), numbers, k - i);
    }
  }
}
