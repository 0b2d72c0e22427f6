// Loops that compute nothing of use, to learn what the machine can do: the ceilings that the kernels are
// compared with. Functions of the form of `ck_function`, compiled per instruction set as the kernels are.
#ifndef AUTOGRAD_CKERNELS_MEASURING_H
#define AUTOGRAD_CKERNELS_MEASURING_H

#include "CAutogradKernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ck_peak_kind {
  /// Fused multiply-adds of floats; a multiplication and an addition where the set has none fused.
  CK_PEAK_FLOAT32,
  /// Dot products of pairs of bfloat16, added in float32.
  CK_PEAK_BFLOAT16,
} ck_peak_kind;

typedef struct ck_peak {
  /// NULL where the set, or this CPU, has no such instruction. Unit: `flops_per_unit` operations, on registers
  /// only; arguments and scratch are not read.
  ck_function function;
  /// Multiplications and additions, each counted as one.
  double flops_per_unit;
} ck_peak;

ck_peak ck_peak_for(ck_instruction_set set, ck_peak_kind kind);

typedef enum ck_stream_kind {
  /// Adds up a.
  CK_STREAM_READ,
  /// c = a
  CK_STREAM_COPY,
  /// c = a + 3 · b
  CK_STREAM_TRIAD,
} ck_stream_kind;

/// Arrays of floats, 64-byte aligned. Unit: a block of CK_STREAM_BLOCK elements. Stores go through the caches.
typedef struct ck_stream { const float *a; const float *b; float *c; } ck_stream;

enum { CK_STREAM_BLOCK = 16384 };

ck_function ck_stream_for(ck_instruction_set set, ck_stream_kind kind);

/// Does nothing: what remains is the cost of a parallel region.
void ck_empty_region(const void *arguments, ck_index begin, ck_index end, void *scratch);

#ifdef __cplusplus
}
#endif
#endif
