// Stored weights: what their panels stand for, decoded here one number at a time, and products with them: in float to
// the bit, in pairs of bfloat16 to the rounding of the sums, in integers to the bit.
#include "cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBERS = 1 << 17 };

// A small integer in a block, and what is made of it: scale · quant, and then the least value, where there is one.
typedef struct quant { float scale, least; int quant; bool has_least; } quant;

// A weight in panels, the numbers that they stand for, and the integers of which they are made.
typedef struct stored {
  ck_weight weight; array *panels; float numbers[MOST_NUMBERS]; quant quants[MOST_NUMBERS];
} stored;

static float half(const unsigned char *p) {
  const int bits = p[0] | p[1] << 8, exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const float magnitude = exponent ? ldexpf((float)(1024 + mantissa), exponent - 25) : ldexpf((float)mantissa, -24);
  return bits & 0x8000 ? -magnitude : magnitude;
}

static float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Some half precision number that is neither large nor infinite; now and then one below the normal numbers.
static void put_half(check *c, unsigned char *p) {
  const int exponent = chance(c, 0.1) ? 0 : (int)pick(c, 5, 12);
  const int bits = (int)pick(c, 0, 1023) | exponent << 10 | (chance(c, 0.5) ? 0x8000 : 0);
  p[0] = (unsigned char)bits, p[1] = (unsigned char)(bits >> 8);
}

// Number `i` of 256 in a block of q4_K or of q5_K, which has fifth bits before the others.
static quant quant_of_scales(const unsigned char *block, int i, bool has_fifth) {
  const unsigned char *six = block + 4, byte = block[(has_fifth ? 48 : 16) + i / 64 * 32 + i % 32];
  const int part = i / 32, fifth = has_fifth ? block[16 + i % 32] / (1 << part) % 2 * 16 : 0;
  int scale = six[part % 4] % 64, least = six[part % 4 + 4] % 64;
  if (part >= 4) {
    scale = six[part + 4] % 16 + six[part - 4] / 64 * 16;
    least = six[part + 4] / 16 + six[part] / 64 * 16;
  }
  const int value = (part % 2 ? byte / 16 : byte % 16) + fifth;
  return (quant){half(block) * (float)scale, -half(block + 2) * (float)least, value, true};
}

// Number `i` of 256 in a block of q6_K.
static quant quant_q6_K(const unsigned char *block, int i) {
  const int row = i % 128 / 32;
  const int lower = block[i / 128 * 64 + row % 2 * 32 + i % 32], upper = block[128 + i / 128 * 32 + i % 32];
  const int value = (row < 2 ? lower % 16 : lower / 16) + upper / (1 << (2 * row)) % 4 * 16;
  return (quant){half(block + 208) * (float)(signed char)block[192 + i / 16], 0, value - 32, false};
}

// Number `i` of 32 of five bits: the fifth ones come first.
static int five_bits(const unsigned char *bytes, int i) {
  return (i < 16 ? bytes[4 + i] % 16 : bytes[4 + i - 16] / 16) + bytes[i / 8] / (1 << i % 8) % 2 * 16;
}

// Number `i` of a block as files have it, by the formulas of ggml.
static quant quant_in(ck_weight_format format, const unsigned char *block, int i) {
  const int shift = i / 16 * 4;
  switch (format) {
  case CK_WEIGHT_Q8_0: return (quant){half(block), 0, (signed char)block[2 + i], false};
  case CK_WEIGHT_Q4_0: return (quant){half(block), 0, (block[2 + i % 16] >> shift & 15) - 8, false};
  case CK_WEIGHT_Q4_1: return (quant){half(block), half(block + 2), block[4 + i % 16] >> shift & 15, true};
  case CK_WEIGHT_Q5_0: return (quant){half(block), 0, five_bits(block + 2, i) - 16, false};
  case CK_WEIGHT_Q5_1: return (quant){half(block), half(block + 2), five_bits(block + 4, i), true};
  case CK_WEIGHT_Q4_K: return quant_of_scales(block, i, false);
  case CK_WEIGHT_Q5_K: return quant_of_scales(block, i, true);
  default: return quant_q6_K(block, i);
  }
}

// A row's blocks as files have them, their integers and their numbers.
static void some_row(check *c, ck_weight_format format, ck_index k, unsigned char *source, float *numbers,
                     quant *quants) {
  const ck_weight_layout layout = ck_weight_layout_of(format);
  for (ck_index j = 0; !layout.head && j < k; j++) {
    float value = (float)uniform(c, -2, 2);
    if (format == CK_WEIGHT_F16) {
      unsigned char bits[2];
      put_half(c, bits);
      value = half(bits);
    } else if (format == CK_WEIGHT_BF16) {
      value = (float)bfloat16(value);
    }
    numbers[j] = value;
    memcpy(source + 4 * j, &value, sizeof value);
  }
  for (ck_index first = 0; layout.head && first < k; first += layout.block, source += layout.source) {
    for (int i = 0; i < layout.source; i++) source[i] = (unsigned char)pick(c, 0, 255);
    put_half(c, format == CK_WEIGHT_Q6_K ? source + 208 : source);
    if (quant_in(format, source, 0).has_least) put_half(c, source + 2);
    for (int i = 0; i < layout.block; i++) {
      const quant q = quant_in(format, source, i);
      quants[first + i] = q;
      numbers[first + i] = q.has_least ? q.scale * (float)q.quant + q.least : q.scale * (float)q.quant;
    }
  }
}

static stored *some_weight(check *c, ck_weight_format format, ck_index n, ck_index k) {
  static stored w;
  static unsigned char source[4 * MOST_NUMBERS];
  const ck_index nr = c->table->nr, panels = (n + nr - 1) / nr, bytes = ck_weight_panel_bytes(format, nr, k);
  w.panels = integers(c, INPUT, panels * bytes / 4, 4);
  memset(w.panels->start, 0, (size_t)(panels * bytes));
  for (ck_index row = 0; row < n; row++) {
    some_row(c, format, k, source, w.numbers + row * k, w.quants + row * k);
    // In two parts where there are blocks enough.
    const ck_weight_layout layout = ck_weight_layout_of(format);
    const ck_index first = k / layout.block / 2 * layout.block;
    const unsigned char *later = source + first / layout.block * layout.source;
    ck_weight_write(w.panels->start, format, nr, k, row, first, k - first, later);
    ck_weight_write(w.panels->start, format, nr, k, row, 0, first, source);
  }
  w.weight = (ck_weight){w.panels->start, bytes, n, k, format};
  return &w;
}

// k for a format: whole blocks where it has them.
static ck_index some_k(check *c, ck_weight_format format) {
  const ck_weight_layout layout = ck_weight_layout_of(format);
  return layout.head ? layout.block * pick(c, 1, layout.block > CK_WEIGHT_BLOCK ? 2 : 4) : pick(c, 1, 100);
}

static ck_index panels_of(const check *c, ck_index n) { return (n + c->table->nr - 1) / c->table->nr; }

void check_weight_embedding(check *c, ck_function kernel) {
  for (int i = 0; i < CK_WEIGHT_FORMAT_COUNT * 12 + c->rounds; i++) {
    const ck_weight_format format = (ck_weight_format)(i % CK_WEIGHT_FORMAT_COUNT);
    const ck_index n = pick(c, 1, 3 * c->table->nr), k = some_k(c, format), rows = pick(c, 1, 5);
    begin_case(c, "%s, %td rows of %td × %td", ck_weight_layout_of(format).name, rows, n, k);
    const stored *w = some_weight(c, format, n, k);
    array *ids = tokens(c, rows, n), *y = numbers(c, OUTPUT, rows * k, -1, 1);
    const ck_weight_embedding g = {w->weight, y->start, (const int32_t *)ids->start};
    run_kernel(c, kernel, &g, rows, 1, 0, false);
    for (ck_index j = 0; j < rows * k; j++) expect_same(c, y, j, w->numbers[integer_at(ids, j / k) * k + j % k]);
  }
}

// A, and in pairs as one packed panel.
typedef struct left { array *elements, *packed; ck_index row, k; } left;

static left some_left(check *c, ck_index m, ck_index k) {
  const ck_index gap = pick(c, 0, 3), mr = c->table->mr;
  left a = {.elements = numbers(c, INPUT, (m - 1) * (k + gap) + k, -1, 1), .row = k + gap, .k = 1};
  if (!c->pairs) return a;
  a.packed = numbers(c, INPUT, (k + 1) / 2 * mr, -1, 1);
  for (ck_index i = 0; i < m; i++) {
    for (ck_index j = 0; j < (k + 1) / 2; j++) {
      uint32_t word = 0;
      for (int h = 0; h < 2 && 2 * j + h < k; h++) {
        const float rounded = (float)bfloat16(at(a.elements, i * a.row + 2 * j + h));
        uint32_t bits;
        memcpy(&bits, &rounded, sizeof bits);
        word |= bits >> 16 << (16 * h);
      }
      const float pair = from_bits(word);
      memcpy(address(a.packed, j * mr + i), &pair, sizeof pair);
    }
  }
  return a;
}

void check_weight_rows(check *c, ck_function kernel) {
  for (int i = 0; i < CK_WEIGHT_FORMAT_COUNT * 16 + c->rounds; i++) {
    const ck_weight_format format = (ck_weight_format)(i % CK_WEIGHT_FORMAT_COUNT);
    const ck_index n = pick(c, 1, 5 * c->table->nr), k = some_k(c, format), m = pick(c, 1, c->pairs ? 8 : 11);
    const bool finishes = chance(c, 0.5);
    begin_case(c, "%s, %td × %td × %td, epilogue %d", ck_weight_layout_of(format).name, m, n, k, finishes);
    const stored *w = some_weight(c, format, n, k);
    const left a = some_left(c, m, k);
    array *bias = numbers(c, INPUT, n, -1, 1), *residual = numbers(c, INPUT, m * n, -1, 1);
    array *y = numbers(c, OUTPUT, m * n, -1, 1);
    ck_weight_rows g = {.weight = w->weight, .a = a.elements->start, .a_row = a.row, .a_k = 1, .m = m, .c = y->start,
      .c_stride = n, .has_epilogue = finishes,
      .epilogue = {.bias = bias->start, .activation = CK_ACTIVATION_NONE, .residual = residual->start}};
    if (c->pairs) g.a = a.packed->start, g.a_row = 1, g.a_k = c->table->mr;
    run_kernel(c, kernel, &g, panels_of(c, n), 1, 0, false);
    for (ck_index at_y = 0; at_y < m * n; at_y++) {
      real sum = 0, size = 0;
      for (ck_index j = 0; j < k; j++) {
        real x = at(a.elements, at_y / n * a.row + j), v = w->numbers[at_y % n * k + j];
        if (c->pairs) x = bfloat16(x), v = bfloat16(v), sum += x * v;
        else sum = multiply_add(c, x, v, sum);
        size += fabsl(x * v);
      }
      if (finishes && c->pairs) sum += at(bias, at_y % n) + at(residual, at_y), size += 2;
      else if (finishes) sum = sum_of(c, sum_of(c, sum, at(bias, at_y % n)), at(residual, at_y));
      if (c->pairs) expect_within(c, y, at_y, sum, (real)(k + 2) * epsilon(c) * size);
      else expect_same(c, y, at_y, sum);
    }
  }
}

// The nearest number with 11 significant bits, ties to even.
static float eleven_bits(float x) {
  int exponent;
  const float fraction = frexpf(x, &exponent);
  return ldexpf(rintf(ldexpf(fraction, 11)), exponent - 11);
}

void check_quantize(check *c, ck_function kernel) {
  for (int i = 0; i < 20 + c->rounds; i++) {
    const ck_index blocks = pick(c, 1, 5), k = blocks * CK_WEIGHT_BLOCK, rows = pick(c, 1, 4);
    const ck_index stride = k + pick(c, 0, 3);
    begin_case(c, "%td rows of %td", rows, k);
    array *x = numbers(c, INPUT, (rows - 1) * stride + k, -3, 3);
    if (i % 4 == 0) for (ck_index j = 0; j < CK_WEIGHT_BLOCK; j++) set(x, j, 0);
    array *y = integers(c, OUTPUT, rows * blocks * (ck_index)sizeof(ck_quants) / 4, 4);
    const ck_quantize g = {(ck_quants *)y->start, x->start, stride, k};
    run_kernel(c, kernel, &g, rows, 1, 0, false);
    for (ck_index b = 0; b < rows * blocks; b++) {
      const ck_quants *q = (const ck_quants *)y->start + b;
      const ck_index first = b / blocks * stride + b % blocks * CK_WEIGHT_BLOCK;
      float largest = 0;
      for (int j = 0; j < CK_WEIGHT_BLOCK; j++) largest = fmaxf(largest, fabsf((float)at(x, first + j)));
      const float inverse = largest > 0 ? 127 / largest : 0, scale = eleven_bits(largest / 127);
      int sums[2] = {0, 0};
      for (int j = 0; j < CK_WEIGHT_BLOCK; j++) {
        const int want = (int)lrintf((float)at(x, first + j) * inverse);
        c->comparisons++;
        if (q->quants[j] != want) fail(c, "block %td, number %d is %d, not %d", b, j, q->quants[j], want);
        sums[j / 16] += want;
      }
      if (q->scale != scale || q->sums[0] != sums[0] || q->sums[1] != sums[1]) {
        fail(c, "block %td: scale %g, sums %d, %d, not %g, %d, %d", b, (double)q->scale, q->sums[0], q->sums[1],
             (double)scale, sums[0], sums[1]);
      }
      if (q->scaled_sum != scale * (float)(sums[0] + sums[1])) fail(c, "block %td: %g", b, (double)q->scaled_sum);
    }
  }
}

void check_weight_integers(check *c, ck_function kernel) {
  const int count = CK_WEIGHT_FORMAT_COUNT - CK_WEIGHT_Q8_0;
  for (int i = 0; i < count * 16 + c->rounds; i++) {
    const ck_weight_format format = (ck_weight_format)(CK_WEIGHT_Q8_0 + i % count);
    const ck_index n = pick(c, 1, 3 * c->table->nr), k = some_k(c, format), blocks = k / CK_WEIGHT_BLOCK;
    const ck_index m = pick(c, 1, 9), part = ck_weight_layout_of(format).part;
    const bool finishes = chance(c, 0.5);
    begin_case(c, "%s, %td × %td × %td, epilogue %d", ck_weight_layout_of(format).name, m, n, k, finishes);
    const stored *w = some_weight(c, format, n, k);
    array *a = integers(c, INPUT, m * blocks * (ck_index)sizeof(ck_quants) / 4, 4), *bias = numbers(c, INPUT, n, -1, 1);
    for (ck_index b = 0; b < m * blocks; b++) {
      ck_quants *q = (ck_quants *)a->start + b;
      *q = (ck_quants){.scale = (float)uniform(c, 0, 1)};
      for (int j = 0; j < CK_WEIGHT_BLOCK; j++) {
        q->quants[j] = (int8_t)pick(c, -127, 127);
        q->sums[j / 16] += q->quants[j];
      }
      q->scaled_sum = q->scale * (float)(q->sums[0] + q->sums[1]);
    }
    array *y = numbers(c, OUTPUT, m * n, -1, 1);
    const ck_weight_integers g = {w->weight, (const ck_quants *)a->start, m, y->start, n, finishes,
      {.bias = bias->start, .activation = CK_ACTIVATION_NONE}};
    run_kernel(c, kernel, &g, panels_of(c, n), 1, 0, false);
    for (ck_index at_y = 0; at_y < m * n; at_y++) {
      real sum = 0;
      for (ck_index first = 0; first < k; first += part) {
        const ck_quants *q = (const ck_quants *)a->start + at_y / n * blocks + first / CK_WEIGHT_BLOCK;
        const quant *w_quants = w->quants + at_y % n * k + first;
        int dot = 0;
        for (int j = 0; j < part; j++) dot += w_quants[j].quant * q->quants[first % CK_WEIGHT_BLOCK + j];
        sum = multiply_add(c, dot, product_of(c, w_quants->scale, q->scale), sum);
        if (w_quants->has_least) sum = multiply_add(c, w_quants->least, q->scaled_sum, sum);
      }
      if (finishes) sum = sum_of(c, sum, at(bias, at_y % n));
      expect_same(c, y, at_y, sum);
    }
  }
}
