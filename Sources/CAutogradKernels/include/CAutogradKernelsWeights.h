// Stored weights: frozen weights [n, k] (output, input) as products read them. Float only.
//
// A weight lies in panels of `nr` of its rows, the columns of the product, one panel behind the other; the last one is
// filled up with zeros. Within a panel k ascends in blocks. A block has the heads of its rows (scales, least values),
// each kind side by side, and then words of 32 bits: one for each row, side by side, with as many neighbours along k as
// fit. A vector of words thus holds the same k of many rows. Panels of f32 are what `ck_gemm_pack` makes of columns of
// B, panels of bf16 what it makes of them in pairs.
//
// A word's bytes ascend along k; where it has 8 numbers, the low halves of its bytes are the first four. Three words of
// q6_K have 16: the upper six bits of the first word's bytes are the first four numbers, and so on; the lower two bits
// of all three, those of the first word on top, are the last four. Its numbers lie there less 32, in two's complement.
// Five words of the formats of five bits have 32: the lower five bits of the words' bytes are the first twenty numbers.
// The upper three bits of the first, third and fifth word are those of the other twelve, four each; their lower two bits
// are the upper two of the second word, those of the fourth, and bit 5 of the second beside bit 5 of the fourth.
//
// Heads: q4_K and q5_K have d and dmin in half precision, and then, for each part of 32 numbers, a byte that d and one
// that dmin is multiplied by; q6_K has d and, for each part of 16, a byte with a sign that d is multiplied by.
#ifndef AUTOGRAD_CKERNELS_WEIGHTS_H
#define AUTOGRAD_CKERNELS_WEIGHTS_H

#include "CAutogradKernels.h"

/// Every format: FORMAT(kind, name, numbers of a block, numbers of a part, which share a scale, numbers that are in
/// words, these words, bytes of a row's head in a block, bytes of a block where it comes from). Numbers of the formats
/// with heads are those of ggml's blocks of the same name; the others come as floats.
#define CK_WEIGHT_FORMATS(FORMAT) \
  FORMAT(CK_WEIGHT_F32, f32, 32, 32, 1, 1, 0, 128) FORMAT(CK_WEIGHT_F16, f16, 32, 32, 2, 1, 0, 128) \
  FORMAT(CK_WEIGHT_BF16, bf16, 32, 32, 2, 1, 0, 128) CK_QUANTIZED_FORMATS(FORMAT)

/// The formats with heads: their numbers are made of small integers.
#define CK_QUANTIZED_FORMATS(FORMAT) \
  FORMAT(CK_WEIGHT_Q8_0, q8_0, 32, 32, 4, 1, 2, 34) FORMAT(CK_WEIGHT_Q4_0, q4_0, 32, 32, 8, 1, 2, 18) \
  FORMAT(CK_WEIGHT_Q4_1, q4_1, 32, 32, 8, 1, 4, 20) FORMAT(CK_WEIGHT_Q5_0, q5_0, 32, 32, 32, 5, 2, 22) \
  FORMAT(CK_WEIGHT_Q5_1, q5_1, 32, 32, 32, 5, 4, 24) FORMAT(CK_WEIGHT_Q4_K, q4_K, 256, 32, 8, 1, 20, 144) \
  FORMAT(CK_WEIGHT_Q5_K, q5_K, 256, 32, 32, 5, 20, 176) FORMAT(CK_WEIGHT_Q6_K, q6_K, 256, 16, 16, 3, 18, 210)

#define CK_KIND(KIND, NAME, ...) KIND,
typedef enum ck_weight_format { CK_WEIGHT_FORMATS(CK_KIND) CK_WEIGHT_FORMAT_COUNT } ck_weight_format;
#undef CK_KIND

/// Numbers along k that parts of a weight are cut by: blocks of activations, blocks of formats without heads.
enum { CK_WEIGHT_BLOCK = 32 };

/// As CK_WEIGHT_FORMATS tells; where there are heads, blocks divide k.
typedef struct ck_weight_layout {
  const char *name; ck_index block, part, numbers, words, head, source;
} ck_weight_layout;

ck_weight_layout ck_weight_layout_of(ck_weight_format format);

/// Bytes of a panel.
ck_index ck_weight_panel_bytes(ck_weight_format format, ck_index nr, ck_index k);

/// `panels` begins at a cache line.
typedef struct ck_weight { const void *panels; ck_index panel_bytes, n, k; ck_weight_format format; } ck_weight;

/// Puts numbers of a row of a weight to their place: `count` of them from the `first` on, which begins a block;
/// `source` holds floats (f32, bf16, f16, whose numbers are rounded to the nearest, ties to even) or ggml's blocks.
/// Rows of one panel lie between each other: only one thread may write them. The panel was zeros before.
void ck_weight_write(void *panels, ck_weight_format format, ck_index nr, ck_index k, ck_index row, ck_index first,
                     ck_index count, const void *source);

/// C[m, n] = A[m, k] · Wᵀ for few rows, finished by the epilogue: every element is the chain that `ck_gemm` makes of
/// the numbers that the weight stands for. Rows of A lie `a_row` apart, their elements `a_k`; in pairs A is one packed
/// panel.
/// Unit: one panel of the weight.
typedef struct ck_weight_rows {
  ck_weight weight; const void *a; ck_index a_row, a_k, m; void *c; ck_index c_stride; int has_epilogue;
  ck_epilogue epilogue;
} ck_weight_rows;

/// A block of a row of A in 8 bits: x ≈ scale · quant, with scale = max |x| / 127, of which 11 bits are kept; the sums of the first half of the
/// quants and of the second, and the scale times both.
typedef struct ck_quants { float scale, scaled_sum; int32_t sums[2]; int8_t quants[CK_WEIGHT_BLOCK]; } ck_quants;

/// Rows of A in 8 bits: y[row] = k / 32 blocks. Unit: one row.
typedef struct ck_quantize { ck_quants *y; const void *x; ck_index x_stride, k; } ck_quantize;

/// C[m, n] from rows of A in 8 bits, finished by the epilogue: for each part of the weight that has a scale, k
/// ascending, the integer Σ q·quant times (scale · that scale) is added to the element by one multiply-add, and where
/// there are least values, least · scaled_sum by another. Only formats with heads. Unit: one panel of the weight.
typedef struct ck_weight_integers {
  ck_weight weight; const ck_quants *a; ck_index m; void *c; ck_index c_stride; int has_epilogue; ck_epilogue epilogue;
} ck_weight_integers;

/// y[row] = W[tokens[row]], k numbers. Unit: one row.
typedef struct ck_weight_embedding { ck_weight weight; void *y; const int32_t *tokens; } ck_weight_embedding;

/// What multiplies integers with instructions for four products at once; NULL where this CPU and operating system do
/// not run AVX512-VNNI.
typedef struct ck_integer_table { ck_function weight_integers; } ck_integer_table;

const ck_integer_table *ck_widest_integer_table(void);

#endif
