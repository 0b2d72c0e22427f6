// Stored weights: what the words of a panel stand for, and how a packed operand is made of them. Part of gemm.h. The
// layout is told in CAutogradKernelsWeights.h.
//
// A format is a line in CK_WEIGHT_FORMATS and three functions here: `head_NAME`, a vector of heads; `number_NAME`, the
// vector of numbers `j` of a word, every one exactly what the file's block stands for; in pairs `step_NAME`.

#include "weight_words.h"

// Scales and least values of LANES rows.
typedef struct head { vec scale, least; } head;

// Numbers along k that are taken together: whole words, and whole steps.
#define GROUP 8

// The half byte `j` of words, counted as k ascends, less `bias`.
INLINE vec half_byte(uvec word, const int j, const int bias) {
  const int shift = j < 4 ? 8 * j : 8 * (j - 4) + 4;
#if HAS_MASKS
  // Looked up: the instruction takes the lowest four bits of an index.
  const float b = (float)bias;
  const __m512 table = _mm512_setr_ps(-b, 1 - b, 2 - b, 3 - b, 4 - b, 5 - b, 6 - b, 7 - b, 8 - b, 9 - b, 10 - b, 11 - b,
                                      12 - b, 13 - b, 14 - b, 15 - b);
  return (vec)_mm512_permutexvar_ps((__m512i)(word >> shift), table);
#else
  return __builtin_convertvector((ivec)((word >> shift) & 15) - bias, vec);
#endif
}

INLINE head no_head(const char *p) { return (void)p, (head){0}; }

#define head_f32 no_head
#define head_f16 no_head
#define head_bf16 no_head

// What its numbers are multiplied by is in the scale.
INLINE head head_q8_0(const char *p) { return (head){halves(p) * splat(0x1p-24f), (vec){0}}; }
INLINE head head_q4_0(const char *p) { return (head){halves(p), (vec){0}}; }
INLINE head head_q4_1(const char *p) { return (head){halves(p), halves(p + 2 * NR)}; }

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

INLINE vec number_q4_0(uvec word, const int j, head h) { return half_byte(word, j, 8) * h.scale; }

// The product is exact: the one rounding is that of the sum.
INLINE vec number_q4_1(uvec word, const int j, head h) { return fma_(half_byte(word, j, 0), h.scale, h.least); }

// The step whose first number is number `j` of a group at `group`, for the vector `v` of the panel's rows. Of the group
// `rest` numbers exist; where the second of a pair does not, it is zero.
#if PAIRS
// Pairs of this format are packed as they are.
#define PACKED_FORMAT CK_WEIGHT_BF16
#define STEP_OF(KIND, NAME, NUMBERS, HEAD) \
INLINE vec step_##NAME(const char *group, const int j, const int v, head h, ck_index rest) { \
  const uvec word = words(group + j / NUMBERS * WORDS, v); \
  if (KIND == PACKED_FORMAT) return (vec)word; \
  const vec even = number_##NAME(word, j % NUMBERS, h); \
  if (j + 1 >= rest) return pairs_across(even, (vec){0}); \
  return pairs_across(even, number_##NAME(words(group + (j + 1) / NUMBERS * WORDS, v), (j + 1) % NUMBERS, h)); \
}
#else
#define PACKED_FORMAT CK_WEIGHT_F32
#define STEP_OF(KIND, NAME, NUMBERS, HEAD) \
INLINE vec step_##NAME(const char *group, const int j, const int v, head h, ck_index rest) { \
  return (void)rest, number_##NAME(words(group + j / NUMBERS * WORDS, v), j % NUMBERS, h); \
}
#endif
CK_WEIGHT_FORMATS(STEP_OF)
#undef STEP_OF

// ---------------------------------------------------------------------------------------------------------
// Unpacking

// A group of `rest` numbers at most as packed steps.
#define UNPACK(KIND, NAME, NUMBERS, HEAD) \
INLINE void unpack_group_##NAME(REAL *packed, const char *group, const head *h, ck_index rest, const int rounds) { \
  _Pragma("clang loop unroll(full)") for (int j = 0; j < GROUP; j += STEP) { \
    for (int v = 0; v < 2 && j < rest; v++) { \
      const vec numbers = step_##NAME(group, j, v, h[v], rest); \
      store(packed + j / STEP * NR + v * LANES, rounds ? rounded(numbers) : numbers); \
    } \
  } \
} \
INLINE void unpack_panel_##NAME(REAL *packed, const char *block, ck_index k, const int rounds) { \
  for (; k > 0; k -= CK_WEIGHT_BLOCK, block += NR * HEAD + CK_WEIGHT_BLOCK / NUMBERS * WORDS) { \
    const head h[2] = {head_##NAME(block), head_##NAME(block + 2 * LANES)}; \
    const ck_index count = k < CK_WEIGHT_BLOCK ? k : CK_WEIGHT_BLOCK; \
    for (ck_index first = 0; first < count; first += GROUP, packed += GROUP / STEP * NR) { \
      const char *group = block + NR * HEAD + first / NUMBERS * WORDS; \
      if (LIKELY(first + GROUP <= count)) unpack_group_##NAME(packed, group, h, GROUP, rounds); \
      else unpack_group_##NAME(packed, group, h, count - first, rounds); \
    } \
  } \
} \
static __attribute__((noinline)) void unpack_##NAME(REAL *packed, const char *block, ck_index k, int rounds) { \
  if (rounds) unpack_panel_##NAME(packed, block, k, 1); \
  else unpack_panel_##NAME(packed, block, k, 0); \
}
#if PAIRS
#define rounded(x) (x)
#else
#define rounded(x) rounded_to_bfloat16(x)
#endif
CK_WEIGHT_FORMATS(UNPACK)
#undef UNPACK
#undef rounded

// What is known of a format here.
typedef struct weight_format {
  void (*unpack)(REAL *packed, const char *block, ck_index k, int rounds);
  ck_index block_bytes;
} weight_format;

static const weight_format weight_formats[] = {
#define FORMAT(KIND, NAME, NUMBERS, HEAD) {unpack_##NAME, NR * HEAD + CK_WEIGHT_BLOCK / NUMBERS * WORDS},
  CK_WEIGHT_FORMATS(FORMAT)
#undef FORMAT
};

// The weight's panels are packed as a product wants them.
INLINE int is_packed(const ck_weight *w, int rounds) { return w->format == PACKED_FORMAT && !rounds; }

// The numbers [first, first + k) along k of `count` rows of the weight, from the panel of `row` on, as packed panels;
// `row` begins a panel, `first` a block.
INLINE void unpack_weight(REAL *packed, const ck_weight *w, ck_index row, ck_index count, ck_index first, ck_index k,
                          int rounds) {
  const weight_format *format = &weight_formats[w->format];
  for (ck_index i = 0; i < count; i += NR) {
    const char *panel = panel_of(w, (row + i) / NR);
    format->unpack(packed + i * STEPS(k), panel + first / CK_WEIGHT_BLOCK * format->block_bytes, k, rounds);
  }
}
