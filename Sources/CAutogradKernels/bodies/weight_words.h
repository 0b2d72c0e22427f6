// The words and heads of a stored weight's panels, as vectors. The layout is told in CAutogradKernelsWeights.h.

#ifndef NR
#define NR (2 * LANES)
#endif

typedef uint32_t uvec __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t unaligned_uvec __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef uint16_t hvec __attribute__((vector_size(VECTOR_BYTES / 2)));

// A row of words: one for each row of the panel.
#define WORDS (NR * 4)

// Numbers along k that are taken together at least: whole words, and whole steps.
#define GROUP 8

// What CK_WEIGHT_FORMATS tells of a format: numbers of a block and of a part, numbers that are in so many words, bytes
// of a row's head; and numbers that are taken together, the bytes of their words, and those of a block.
#define CONSTANTS(KIND, NAME, BLOCK, PART, NUMBERS, COUNT, HEAD, SOURCE) \
enum { \
  block_of_##NAME = BLOCK, part_of_##NAME = PART, numbers_of_##NAME = NUMBERS, words_of_##NAME = COUNT, \
  head_of_##NAME = HEAD, group_of_##NAME = NUMBERS > GROUP ? NUMBERS : GROUP, \
  group_bytes_of_##NAME = group_of_##NAME / NUMBERS * COUNT * WORDS, \
  bytes_of_##NAME = NR * HEAD + BLOCK / NUMBERS * COUNT * WORDS, \
};
CK_WEIGHT_FORMATS(CONSTANTS)
#undef CONSTANTS

INLINE const char *panel_of(const ck_weight *w, ck_index panel) {
  return (const char *)w->panels + panel * w->panel_bytes;
}

INLINE uvec words(const char *p, const int v) { return *(const unaligned_uvec *)(p + v * VECTOR_BYTES); }

// How far ahead of its words a panel is asked for, in bytes: into the second-level cache, which can wait for more lines
// at a time than the first.
#define WEIGHT_AHEAD 6144

// Half precision in the low bits of words; it is finite. The exponents' difference is multiplied in: exact.
INLINE vec half_numbers(uvec bits) {
  const vec magnitude = (vec)((bits & 0x7FFF) << 13) * splat(0x1p112f);
  return (vec)((uvec)magnitude | (bits & 0x8000) << 16);
}

// LANES numbers in half precision, side by side.
INLINE vec halves(const char *p) {
#if HAS_MASKS
  return (vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#else
  hvec bits;
  memcpy(&bits, p, sizeof bits);
  return half_numbers(__builtin_convertvector(bits, uvec));
#endif
}

// LANES bytes with a sign, side by side, as numbers.
INLINE vec signed_bytes(const char *p) {
  int8_t bytes __attribute__((vector_size(VECTOR_BYTES / 4)));
  memcpy(&bytes, p, sizeof bytes);
  return __builtin_convertvector(__builtin_convertvector(bytes, ivec), vec);
}

// The same without a sign.
INLINE vec unsigned_bytes(const char *p) {
  uint8_t bytes __attribute__((vector_size(VECTOR_BYTES / 4)));
  memcpy(&bytes, p, sizeof bytes);
  return __builtin_convertvector(__builtin_convertvector(bytes, ivec), vec);
}

// Scales and least values of LANES rows.
typedef struct head { vec scale, least; } head;

// `scales_NAME`: those of a part of a block, for the vector `v` of the panel's rows. Products of halves and bytes are
// exact.
INLINE head scales_q8_0(const char *block, const int part, const int v) {
  return (void)part, (head){halves(block + v * 2 * LANES), (vec){0}};
}

#define scales_q4_0 scales_q8_0
#define scales_q5_0 scales_q8_0
#define scales_q5_1 scales_q4_1
#define scales_q5_K scales_q4_K

INLINE head scales_q4_1(const char *block, const int part, const int v) {
  return (void)part, (head){halves(block + v * 2 * LANES), halves(block + (2 + v) * 2 * LANES)};
}

INLINE head scales_q4_K(const char *block, const int part, const int v) {
  const head whole = scales_q4_1(block, 0, v);
  const char *bytes = block + (4 + 2 * part) * NR + v * LANES;
  return (head){whole.scale * unsigned_bytes(bytes), -(whole.least * unsigned_bytes(bytes + NR))};
}

INLINE head scales_q6_K(const char *block, const int part, const int v) {
  return (head){halves(block + v * 2 * LANES) * signed_bytes(block + (2 + part) * NR + v * LANES), (vec){0}};
}

// Numbers of five bits from number 4 · `quad` of 32 on, as bytes.
INLINE uvec bytes_of_five(const char *group, const int quad, const int v) {
  const uvec second = words(group + WORDS, v), fourth = words(group + 3 * WORDS, v);
  if (quad < 5) return words(group + quad * WORDS, v) & 0x1F1F1F1F;
  const uvec upper = words(group + 2 * (quad - 5) * WORDS, v) >> 3 & 0x1C1C1C1C;
  if (quad == 7) return upper | (second >> 4 & 0x02020202) | (fourth >> 5 & 0x01010101);
  return upper | ((quad == 5 ? second : fourth) >> 6 & 0x03030303);
}

// Four times the numbers of q6_K from number 4 · `quad` of 16 on, as bytes with a sign.
INLINE uvec bytes_q6_K(const char *group, const int quad, const int v) {
  const uvec first = words(group, v), second = words(group + WORDS, v), third = words(group + 2 * WORDS, v);
  if (quad == 3) return (first << 6 & 0xC0C0C0C0) | (second << 4 & 0x30303030) | (third << 2 & 0x0C0C0C0C);
  return (quad == 0 ? first : quad == 1 ? second : third) & 0xFCFCFCFC;
}
