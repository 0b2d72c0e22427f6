// Stored weights: sizes, and how numbers get into panels.
#include "CAutogradKernels.h"

#include <string.h>

static const ck_weight_layout layouts[] = {
#define FORMAT(KIND, NAME, NUMBERS, HEAD) {#NAME, NUMBERS, HEAD},
  CK_WEIGHT_FORMATS(FORMAT)
#undef FORMAT
};

ck_weight_layout ck_weight_layout_of(ck_weight_format format) { return layouts[format]; }

// Bytes of a block of which `count` numbers exist.
static ck_index block_bytes(ck_weight_format format, ck_index nr, ck_index count) {
  const ck_weight_layout layout = layouts[format];
  return nr * (layout.head + 4 * ((count + layout.numbers - 1) / layout.numbers));
}

ck_index ck_weight_panel_bytes(ck_weight_format format, ck_index nr, ck_index k) {
  const ck_index rest = k % CK_WEIGHT_BLOCK, whole = k / CK_WEIGHT_BLOCK;
  return whole * block_bytes(format, nr, CK_WEIGHT_BLOCK) + (rest ? block_bytes(format, nr, rest) : 0);
}

// ---------------------------------------------------------------------------------------------------------
// Writing a row: `block` begins a block, `column` is the row's place in the panel. A source is read without regard to
// alignment.

typedef struct row_place { char *block; ck_index nr, column; } row_place;

static uint32_t bits_at(const void *source, ck_index i) {
  uint32_t bits;
  memcpy(&bits, (const char *)source + 4 * i, sizeof bits);
  return bits;
}

static void put_word(row_place place, ck_index head, ck_index word, uint32_t bits) {
  memcpy(place.block + place.nr * head + (word * place.nr + place.column) * 4, &bits, sizeof bits);
}

static void put_half(row_place place, ck_index kind, const void *half) {
  memcpy(place.block + (kind * place.nr + place.column) * 2, half, 2);
}

static void write_f32(row_place place, ck_index count, const void *source) {
  for (ck_index i = 0; i < count; i++) put_word(place, 0, i, bits_at(source, i));
}

static uint32_t rounded_to_bfloat16(uint32_t bits) {
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return bits >> 16 | 0x40;
  return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

// The nearest number in half precision, ties to even.
static uint32_t rounded_to_half(uint32_t bits) {
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7E00;
  if (magnitude >= 0x477FF000) return sign | 0x7C00;
  if (magnitude >= 0x38800000) return sign | (magnitude - 0x38000000 + 0xFFF + (magnitude >> 13 & 1)) >> 13;
  // Below the normal numbers: the sum's unit in the last place is 2⁻²⁴.
  float value;
  memcpy(&value, &magnitude, sizeof value);
  const float shifted = value + 0.5f;
  uint32_t sum;
  memcpy(&sum, &shifted, sizeof sum);
  return sign | (sum - 0x3F000000);
}

// Two numbers to a word.
static void write_halves(row_place place, ck_index count, const void *source, uint32_t (*rounded)(uint32_t)) {
  for (ck_index i = 0; i < count; i += 2) {
    const uint32_t second = i + 1 < count ? rounded(bits_at(source, i + 1)) : 0;
    put_word(place, 0, i / 2, rounded(bits_at(source, i)) | second << 16);
  }
}

static void write_f16(row_place place, ck_index count, const void *source) {
  write_halves(place, count, source, rounded_to_half);
}

static void write_bf16(row_place place, ck_index count, const void *source) {
  write_halves(place, count, source, rounded_to_bfloat16);
}

// d and 32 bytes.
static void write_q8_0(row_place place, ck_index count, const void *source) {
  (void)count;
  put_half(place, 0, source);
  for (ck_index i = 0; i < CK_WEIGHT_BLOCK / 4; i++) put_word(place, 2, i, bits_at((const char *)source + 2, i));
}

// 16 bytes whose low halves are the first 16 numbers, whose high halves are the others.
static void write_half_bytes(row_place place, ck_index head, const unsigned char *bytes) {
  for (ck_index word = 0; word < 4; word++) {
    const int high = word / 2 * 4;
    const unsigned char *first = bytes + word % 2 * 8;
    uint32_t bits = 0;
    for (int i = 0; i < 4; i++) {
      const uint32_t low = first[i] >> high & 15, later = first[i + 4] >> high & 15;
      bits |= (low | later << 4) << (8 * i);
    }
    put_word(place, head, word, bits);
  }
}

static void write_q4_0(row_place place, ck_index count, const void *source) {
  (void)count;
  put_half(place, 0, source);
  write_half_bytes(place, 2, (const unsigned char *)source + 2);
}

static void write_q4_1(row_place place, ck_index count, const void *source) {
  (void)count;
  put_half(place, 0, source);
  put_half(place, 1, (const char *)source + 2);
  write_half_bytes(place, 4, (const unsigned char *)source + 4);
}

typedef void (*write_block)(row_place place, ck_index count, const void *source);

static const write_block writers[] = {
#define FORMAT(KIND, NAME, NUMBERS, HEAD) write_##NAME,
  CK_WEIGHT_FORMATS(FORMAT)
#undef FORMAT
};

void ck_weight_write(void *panels, ck_weight_format format, ck_index nr, ck_index k, ck_index row, ck_index first,
                     ck_index count, const void *source) {
  const ck_weight_layout layout = layouts[format];
  // A block of the source: floats, or ggml's.
  const ck_index source_bytes = layout.head ? layout.head + CK_WEIGHT_BLOCK * 4 / layout.numbers : CK_WEIGHT_BLOCK * 4;
  const ck_index whole = block_bytes(format, nr, CK_WEIGHT_BLOCK);
  char *panel = (char *)panels + row / nr * ck_weight_panel_bytes(format, nr, k);
  for (ck_index i = 0; i < count; i += CK_WEIGHT_BLOCK) {
    const row_place place = {panel + (first + i) / CK_WEIGHT_BLOCK * whole, nr, row % nr};
    const ck_index rest = count - i < CK_WEIGHT_BLOCK ? count - i : CK_WEIGHT_BLOCK;
    writers[format](place, rest, (const char *)source + i / CK_WEIGHT_BLOCK * source_bytes);
  }
}
