// The choice among instruction sets.
#include "CAutogradKernels.h"

extern const ck_table ck_table_f32_baseline, ck_table_f64_baseline;
#if defined(__x86_64__)
extern const ck_table ck_table_f32_avx2, ck_table_f64_avx2, ck_table_f32_avx512, ck_table_f64_avx512;
#endif

ck_instruction_set ck_widest_instruction_set(void) {
#if defined(__x86_64__)
  // __builtin_cpu_supports asks the operating system too: it reads XCR0.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
      && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
      && __builtin_cpu_supports("fma")) return CK_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CK_AVX2;
#endif
  return CK_BASELINE;
}

const ck_table *ck_table_for(ck_instruction_set set, int element_size) {
  const int wide = element_size == 8;
  switch (set) {
  case CK_BASELINE: return wide ? &ck_table_f64_baseline : &ck_table_f32_baseline;
#if defined(__x86_64__)
  case CK_AVX2: return wide ? &ck_table_f64_avx2 : &ck_table_f32_avx2;
  case CK_AVX512: return wide ? &ck_table_f64_avx512 : &ck_table_f32_avx512;
#endif
  default: return 0;
  }
}

#if defined(__x86_64__)
extern const ck_pair_table ck_pair_table_avx512;
#endif

const ck_pair_table *ck_widest_pair_table(void) {
#if defined(__x86_64__)
  if (ck_widest_instruction_set() == CK_AVX512 && __builtin_cpu_supports("avx512bf16")) return &ck_pair_table_avx512;
#endif
  return 0;
}

#if defined(__x86_64__)
extern const ck_integer_table ck_integer_table_avx512;
#endif

const ck_integer_table *ck_widest_integer_table(void) {
#if defined(__x86_64__)
  if (ck_widest_instruction_set() == CK_AVX512 && __builtin_cpu_supports("avx512vnni")) return &ck_integer_table_avx512;
#endif
  return 0;
}

// What attention lays out in its scratch memory stands in bodies/attention.h (`forward_room`), attention_backward.h
// (`backward_room`) and attention_cached.h (`cached_room`): an array that is added there is added here.

static ck_index padded(const ck_table *table, ck_index n) { return (n + table->nr - 1) / table->nr * table->nr; }

// A row's dropout factors, drawn 64 at a time, and room to align.
static ck_index factors(ck_index width) { return width + 64 + 64; }

static int prepares(const ck_attention *g) { return g->normalizes || g->cosines; }

ck_index ck_attention_scratch(const ck_table *table, const ck_attention *g, int pairs) {
  const ck_index width = padded(table, g->T), depth = padded(table, g->D);
  const ck_index T_steps = pairs ? (g->T + 1) / 2 : g->T, D_steps = pairs ? (g->D + 1) / 2 : g->D;
  const ck_index left = pairs ? table->mr * D_steps : 0;
  const ck_index prepared = prepares(g) ? (table->mr > table->nr ? table->mr : table->nr) * depth : 0;
  return width * D_steps + T_steps * depth + table->mr * width + left + prepared + factors(width);
}

ck_index ck_attention_backward_scratch(const ck_table *table, const ck_attention *g, int pairs) {
  const ck_index rows = 4 * table->mr, width = padded(table, g->T), depth = padded(table, g->D), T = g->T;
  const ck_index T_steps = pairs ? (T + 1) / 2 : T, D_steps = pairs ? (g->D + 1) / 2 : g->D;
  const ck_index row_steps = pairs ? rows / 2 : rows;
  const ck_index left = pairs ? rows * D_steps : 0, along = pairs ? table->mr * width : 0;
  // Prepared rows, a tile of their gradients, and sums for both weights of the norm.
  const ck_index prepared = prepares(g) ? (rows + table->mr + 2 * 3) * depth : 0;
  return 2 * width * D_steps + T_steps * depth + 2 * T * depth + 2 * row_steps * depth + 2 * rows * width + left + along
    + prepared + factors(width);
}

ck_index ck_cached_attention_scratch(const ck_table *table, const ck_cached_attention *c, int pairs) {
  const ck_index D = c->attention.D, depth = padded(table, D), D_steps = pairs ? (D + 1) / 2 : D, mr = table->mr;
  const ck_index prepared = (mr > table->nr ? mr : table->nr) * depth, panel = table->nr * (D > 64 ? D : 64);
  return mr * c->longest + mr * D_steps + prepared + panel + (c->halves ? c->longest * (D + depth) : 0);
}
