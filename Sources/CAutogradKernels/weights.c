// Stored weights: sizes, and how numbers get into panels.
#include "CAutogradKernels.h"

#include <string.h>

static const ck_weight_layout layouts[] = {
#define FORMAT(KIND, NAME, ...) {#NAME, __VA_ARGS__},
  CK_WEIGHT_FORMATS(FORMAT)
#undef FORMAT
};

ck_weight_layout ck_weight_layout_of(ck_weight_format format) { return layouts[format]; }

// Bytes of a block of which `count` numbers exist.
static ck_index block_bytes(ck_weight_format format, ck_index nr, ck_index count) {
  const ck_weight_layout layout = layouts[format];
  return nr * (layout.head + 4 * ((count * layout.words + layout.numbers - 1) / layout.numbers));
}

ck_index ck_weight_panel_bytes(ck_weight_format format, ck_index nr, ck_index k) {
  const ck_index block = layouts[format].block, rest = k % block;
  return k / block * block_bytes(format, nr, block) + (rest ? block_bytes(format, nr, rest) : 0);
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

static void put_byte(row_place place, ck_index kind, unsigned byte) {
  place.block[kind * place.nr + place.column] = (char)byte;
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

// 32 numbers of five bits.
static void put_fives(row_place place, ck_index head, ck_index first_word, const uint8_t *quants) {
  for (int i = 0; i < 4; i++) {
    const uint32_t fifth = quants[20 + i], sixth = quants[24 + i], last = quants[28 + i];
    const uint32_t upper[5] = {
      fifth >> 2, (fifth & 3) << 1 | (last >> 1 & 1), sixth >> 2, (sixth & 3) << 1 | (last & 1), last >> 2,
    };
    for (int word = 0; word < 5; word++) {
      const char byte = (char)(quants[4 * word + i] | upper[word] << 5);
      place.block[place.nr * head + ((first_word + word) * place.nr + place.column) * 4 + i] = byte;
    }
  }
}

// 4 bytes with a fifth bit of each number, and 16 bytes as of q4_0.
static void write_fives(row_place place, ck_index head, const unsigned char *bytes) {
  const uint32_t fifths = bits_at(bytes, 0);
  uint8_t quants[32];
  for (int i = 0; i < 32; i++) {
    quants[i] = (uint8_t)((bytes[4 + i % 16] >> i / 16 * 4 & 15) | (fifths >> i & 1) << 4);
  }
  put_fives(place, head, 0, quants);
}

static void write_q5_0(row_place place, ck_index count, const void *source) {
  (void)count;
  put_half(place, 0, source);
  write_fives(place, 2, (const unsigned char *)source + 2);
}

static void write_q5_1(row_place place, ck_index count, const void *source) {
  (void)count;
  put_half(place, 0, source);
  put_half(place, 1, (const char *)source + 2);
  write_fives(place, 4, (const unsigned char *)source + 4);
}

// Number `i` of the 8 scales (`least` 0) or multiples of dmin (1) in the 12 bytes of a block of q4_K, six bits each:
// the last four have their upper two bits in the bytes of the first.
static unsigned six_bits(const unsigned char *bytes, int i, int least) {
  if (i < 4) return bytes[i + 4 * least] & 63;
  return (bytes[i + 4] >> (4 * least) & 15) | (bytes[i - 4 + 4 * least] >> 6) << 4;
}

// d, dmin, 12 bytes of scales.
static void write_scales(row_place place, const unsigned char *bytes) {
  put_half(place, 0, bytes);
  put_half(place, 1, bytes + 2);
  for (int part = 0; part < 8; part++) {
    put_byte(place, 4 + 2 * part, six_bits(bytes + 4, part, 0));
    put_byte(place, 5 + 2 * part, six_bits(bytes + 4, part, 1));
  }
}

// Scales, and 128 bytes: of each 32 the low halves are a part, the high halves the next.
static void write_q4_K(row_place place, ck_index count, const void *source) {
  const unsigned char *bytes = source;
  (void)count;
  write_scales(place, bytes);
  for (int part = 0; part < 8; part++) {
    for (int word = 0; word < 4; word++) {
      const unsigned char *quants = bytes + 16 + part / 2 * 32 + word * 8;
      uint32_t bits = 0;
      for (int i = 0; i < 4; i++) {
        const uint32_t low = quants[i] >> part % 2 * 4 & 15, later = quants[i + 4] >> part % 2 * 4 & 15;
        bits |= (low | later << 4) << (8 * i);
      }
      put_word(place, 20, part * 4 + word, bits);
    }
  }
}

// Scales, 32 bytes with a fifth bit of each part's numbers, and halves as of q4_K.
static void write_q5_K(row_place place, ck_index count, const void *source) {
  const unsigned char *bytes = source;
  (void)count;
  write_scales(place, bytes);
  for (int part = 0; part < 8; part++) {
    uint8_t quants[32];
    for (int i = 0; i < 32; i++) {
      const int lower = bytes[48 + part / 2 * 32 + i] >> part % 2 * 4 & 15;
      quants[i] = (uint8_t)(lower | (bytes[16 + i] >> part & 1) << 4);
    }
    put_fives(place, 20, part * 5, quants);
  }
}

// Number `i` of a block of q6_K, less 32, in the lowest six bits. Each half of the block is four times 32 numbers,
// whose lower bits are the low halves of two times 32 bytes and then the high ones; the upper two are in 32 more bytes.
static uint32_t six_bits_less_32(const unsigned char *block, int i) {
  const int half = i / 128, row = i % 128 / 32, at = i % 32;
  const unsigned low = block[64 * half + row % 2 * 32 + at] >> row / 2 * 4 & 15;
  const unsigned high = block[128 + 32 * half + at] >> 2 * row & 3;
  return (low | high << 4) ^ 32;
}

// 128 bytes of lower bits, 64 bytes of upper ones, 16 scales, d.
static void write_q6_K(row_place place, ck_index count, const void *source) {
  const unsigned char *bytes = source;
  (void)count;
  put_half(place, 0, bytes + 208);
  for (int part = 0; part < 16; part++) {
    put_byte(place, 2 + part, bytes[192 + part]);
    for (int word = 0; word < 3; word++) {
      uint32_t bits = 0;
      for (int i = 0; i < 4; i++) {
        const uint32_t own = six_bits_less_32(bytes, 16 * part + 4 * word + i);
        const uint32_t last = six_bits_less_32(bytes, 16 * part + 12 + i);
        bits |= (own << 2 | (last >> (4 - 2 * word) & 3)) << (8 * i);
      }
      put_word(place, 18, part * 3 + word, bits);
    }
  }
}

typedef void (*write_block)(row_place place, ck_index count, const void *source);

static const write_block writers[] = {
#define FORMAT(KIND, NAME, ...) write_##NAME,
  CK_WEIGHT_FORMATS(FORMAT)
#undef FORMAT
};

void ck_weight_write(void *panels, ck_weight_format format, ck_index nr, ck_index k, ck_index row, ck_index first,
                     ck_index count, const void *source) {
  const ck_index block = layouts[format].block, source_bytes = layouts[format].source;
  const ck_index whole = block_bytes(format, nr, block);
  char *panel = (char *)panels + row / nr * ck_weight_panel_bytes(format, nr, k);
  for (ck_index i = 0; i < count; i += block) {
    const row_place place = {panel + (first + i) / block * whole, nr, row % nr};
    const ck_index rest = count - i < block ? count - i : block;
    writers[format](place, rest, (const char *)source + i / block * source_bytes);
  }
}
