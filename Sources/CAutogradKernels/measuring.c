// Ceilings of the machine: CAutogradKernelsMeasuring.h.
#include "CAutogradKernelsMeasuring.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#pragma STDC FP_CONTRACT OFF

// A unit takes some ten microseconds: short enough for threads to share a region evenly.
#define PEAK_ROUNDS 2048

#define VECTOR_BYTES 16
#if defined(__aarch64__)
#define HAS_FMA 1
#define ACCUMULATORS 24
#else
#define HAS_FMA 0
#define ACCUMULATORS 12
#endif
#define NAME(x) baseline_##x
#include "bodies/measuring.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define VECTOR_BYTES 32
#define HAS_FMA 1
#define ACCUMULATORS 12
#define NAME(x) avx2_##x
#include "bodies/measuring.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma"))), apply_to = function)
#define VECTOR_BYTES 64
#define HAS_FMA 1
#define ACCUMULATORS 24
#define NAME(x) avx512_##x
#include "bodies/measuring.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bf16"))), apply_to = function)
enum { DOT_ACCUMULATORS = 24 };

static void avx512_dot_peak(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  (void)arguments, (void)scratch;
  __m512 sums[DOT_ACCUMULATORS];
  // Pairs of bfloat16 2⁻¹²⁶: products vanish.
  __m512i a = _mm512_set1_epi32(0x00800080), b = a;
  __asm__ volatile("" : "+v"(a), "+v"(b));
#pragma clang loop unroll(full)
  for (int i = 0; i < DOT_ACCUMULATORS; i++) {
    sums[i] = _mm512_setzero_ps();
    __asm__ volatile("" : "+v"(sums[i]));
  }
  for (ck_index n = (end - begin) * PEAK_ROUNDS; n > 0; n--) {
#pragma clang loop unroll(full)
    for (int i = 0; i < DOT_ACCUMULATORS; i++) sums[i] = _mm512_dpbf16_ps(sums[i], (__m512bh)a, (__m512bh)b);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < DOT_ACCUMULATORS; i++) __asm__ volatile("" : "+v"(sums[i]));
}
#pragma clang attribute pop
#endif

ck_peak ck_peak_for(ck_instruction_set set, ck_peak_kind kind) {
  const ck_peak none = {0, 0};
  if (set > ck_widest_instruction_set()) return none;
#if defined(__x86_64__)
  if (kind == CK_PEAK_BFLOAT16) {
    if (set != CK_AVX512 || !__builtin_cpu_supports("avx512bf16")) return none;
    return (ck_peak){avx512_dot_peak, 64.0 * DOT_ACCUMULATORS * PEAK_ROUNDS};
  }
  if (set == CK_AVX512) return avx512_peaks;
  if (set == CK_AVX2) return avx2_peaks;
#endif
  return kind == CK_PEAK_FLOAT32 ? baseline_peaks : none;
}

ck_function ck_stream_for(ck_instruction_set set, ck_stream_kind kind) {
  if (set > ck_widest_instruction_set()) return 0;
#if defined(__x86_64__)
  if (set == CK_AVX512) return avx512_streams[kind];
  if (set == CK_AVX2) return avx2_streams[kind];
#endif
  return baseline_streams[kind];
}

void ck_empty_region(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  (void)arguments, (void)begin, (void)end, (void)scratch;
}
