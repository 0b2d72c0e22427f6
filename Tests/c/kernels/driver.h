// Holds kernels against loops that are written without them, without vectors and in long double.
//
// A check describes its case, makes arrays, runs the kernel and says for each element of each output what it should be
// and how far off it may be. `run_kernel` does the rest: it runs the units once in one go and once in pieces, in any
// order and on two scratch memories, and wants the same bits; it wants inputs and everything beside the arrays
// unchanged. Arrays end (or begin) at a page that nobody may touch: whoever reads past them ends the process.
#ifndef KERNELS_DRIVER_H
#define KERNELS_DRIVER_H

#include "CAutogradKernels.h"

#include <stdbool.h>

/// What references are computed in.
typedef long double real;

enum { MAX_ARRAYS = 24, FIXED_COUNTS = 12 };

typedef enum role { INPUT, OUTPUT } role;

/// An array of the element type, of integers or of doubles, beside a page without access.
typedef struct array {
  char *start;
  ck_index count;
  int size;
  role role;
  /// What it held before the kernel ran.
  char *before, *result;
  char *low, *high;  // the accessible pages
} array;

/// A kernel under test, for one instruction set and element type.
typedef struct check {
  const char *set, *kernel;
  const ck_table *table;
  /// Elements are bytes of so many; the vectors hold `lanes` of them.
  int size;
  ck_index lanes;
  /// fma() of a product and a sum, or each rounded by itself: as the instruction set has it.
  bool fused;
  /// The kernel multiplies pairs of bfloat16.
  bool pairs;
  /// Sizes that are tried: the fixed ones and so many random ones.
  int rounds;
  uint64_t random;
  long comparisons, failures;
  char what[240];
  array arrays[MAX_ARRAYS];
  int array_count;
} check;

// ---------------------------------------------------------------------------------------------------------
// Cases

/// Begins a case: forgets the arrays of the one before.
void begin_case(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Sizes to try, `index` from 0 to `case_count` − 1: around the vectors' width and the blocks' of 64, then random ones.
ck_index nth_count(check *c, int index);
int case_count(const check *c);

/// Uniform integers of [low, high].
ck_index pick(check *c, ck_index low, ck_index high);
bool chance(check *c, double probability);
/// Uniform numbers of [low, high).
real uniform(check *c, real low, real high);

// ---------------------------------------------------------------------------------------------------------
// Arrays

/// Elements of the type under test, uniform in [low, high); outputs begin so, too.
array *numbers(check *c, role role, ck_index count, real low, real high);
array *integers(check *c, role role, ck_index count, int size);
/// Tokens of [0, vocabulary).
array *tokens(check *c, ck_index count, ck_index vocabulary);
array *doubles(check *c, ck_index count);

/// Puts NaN, infinities, zeros of both signs and very large and small numbers in places of the array.
void add_specials(check *c, array *a, double share);

real at(const array *a, ck_index i);
real before(const array *a, ck_index i);
void set(array *a, ck_index i, real value);
ck_index integer_at(const array *a, ck_index i);
void set_integer(array *a, ck_index i, ck_index value);
/// The address of an element; NULL of NULL.
void *address(array *a, ck_index i);
static inline void *start(array *a) { return a ? a->start : NULL; }

// ---------------------------------------------------------------------------------------------------------
// Running and comparing

/// Runs the units [0, count), cut at multiples of `multiple`, with `scratch` bytes for each thread, of which the first
/// 64 are zero where `clears_head`.
void run_kernel(check *c, ck_function kernel, const void *arguments, ck_index count, ck_index multiple, size_t scratch,
                bool clears_head);

/// Keeps what the outputs hold now: `before` gives it. What does not go through `run_kernel` calls both.
void keep_arrays(check *c);
void expect_arrays_kept(check *c);

void fail(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// The element is `want`, give or take.
void expect_within(check *c, const array *a, ck_index i, real want, real tolerance);
/// As many units in the last place of a number as large as `scale`.
void expect_ulps(check *c, const array *a, ck_index i, real want, real scale, double ulps);
/// The nearest number of the type to `want`.
void expect_nearest(check *c, const array *a, ck_index i, real want);
/// The same number, −0 and 0 told apart; any NaN for NaN.
void expect_same(check *c, const array *a, ck_index i, real want);
void expect_integer(check *c, const array *a, ck_index i, ck_index want);
/// Elements that nobody should have written.
void expect_unchanged(check *c, const array *a, ck_index i);

/// The distance to the next number of the type; that of the smallest number below the normal ones.
real ulp(const check *c, real x);
/// The distance from 1 to the next number of the type.
real epsilon(const check *c);
real smallest_normal(const check *c);
/// The nearest number of the type, and the results of single operations in it.
real nearest(const check *c, real x);
real sum_of(const check *c, real a, real b);
real product_of(const check *c, real a, real b);
/// a·b + c with one rounding, or with two where the instruction set has no other.
real multiply_add(const check *c, real a, real b, real sum);
/// The nearest bfloat16, ties to even; zero below the normal numbers.
real bfloat16(real x);

/// Word `i` of the Philox 4×32-10 blocks (0, c1, c2, c3), (1, c1, c2, c3) …, in a loop of their own.
uint32_t philox_word(uint64_t key, uint64_t i, uint32_t c1, uint32_t c2, uint32_t c3);

/// y = op(x) of ck_unary_op, or of CK_ACTIVATION_NONE, and op′(x).
real activation(int op, real x);
real activation_slope(int op, real x);
/// How far off an activation of x may be, and its slope.
real activation_tolerance(const check *c, int op, real x);
real slope_tolerance(const check *c, int op, real x);
const char *name_of_activation(int op);
/// Whether op(x) · factor can be told from its two factors.
bool is_plain_gate(const check *c, int op, real x, real factor);

#endif
