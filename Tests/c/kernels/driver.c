// Arrays beside pages without access, running in pieces, and comparing. What it is for: driver.h.
#define _GNU_SOURCE
#include "driver.h"

#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#pragma STDC FP_CONTRACT OFF

// ---------------------------------------------------------------------------------------------------------
// Cases

// Whose case it is: for the handler.
static const check *running;

// Memory beside an array or beside scratch was touched.
static void touched(int signal) {
  const char *parts[] = {running->set, " ", running->size == 4 ? "float" : "double", ", ", running->kernel, ", ",
                         running->what, ": memory beside an array was touched\n"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (write(STDOUT_FILENO, parts[i], strlen(parts[i])) < 0) break;
  }
  (void)signal;
  _exit(1);
}

void begin_case(check *c, const char *format, ...) {
  if (!running) signal(SIGSEGV, touched), signal(SIGBUS, touched);
  running = c;
  va_list values;
  va_start(values, format);
  vsnprintf(c->what, sizeof c->what, format, values);
  va_end(values);
  c->array_count = 0;
}

// SplitMix64 (Steele, Lea and Flood, 2014).
static uint64_t word(check *c) {
  uint64_t z = c->random += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

ck_index pick(check *c, ck_index low, ck_index high) {
  return low + (ck_index)(word(c) % (uint64_t)(high - low + 1));
}

real uniform(check *c, real low, real high) { return low + (high - low) * (real)(word(c) >> 11) * 0x1p-53L; }

bool chance(check *c, double probability) { return uniform(c, 0, 1) < probability; }

int case_count(const check *c) { return FIXED_COUNTS + c->rounds; }

ck_index nth_count(check *c, int index) {
  const ck_index counts[FIXED_COUNTS] = {
    1, c->lanes - 1, c->lanes, c->lanes + 1, 2 * c->lanes - 1, 2 * c->lanes + 1, 63, 64, 65, 33 * c->lanes - 1,
    33 * c->lanes + 1, 1000,
  };
  return index < FIXED_COUNTS ? counts[index] : pick(c, 1, chance(c, 0.8) ? 150 : 1500);
}

// ---------------------------------------------------------------------------------------------------------
// Arrays

enum { BESIDE = 64, CAPACITY = 1 << 20 };
static const unsigned char pattern = 0xA5;

static char *pages(size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *memory = mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory + page, bytes, PROT_READ | PROT_WRITE) != 0) {
    perror("memory for arrays");
    exit(2);
  }
  return memory + page;
}

static array *make(check *c, role role, ck_index count, int size) {
  const size_t bytes = (size_t)(count * size);
  if (c->array_count == MAX_ARRAYS || bytes + BESIDE > CAPACITY) {
    fprintf(stderr, "%s: too many or too large arrays\n", c->what);
    exit(2);
  }
  array *a = &c->arrays[c->array_count++];
  if (!a->low) {
    a->low = pages(CAPACITY);
    a->high = a->low + CAPACITY;
    a->before = malloc(CAPACITY);
    a->result = malloc(CAPACITY);
  }
  const bool at_end = chance(c, 0.75);
  a->start = at_end ? a->high - bytes : a->low;
  a->count = count, a->size = size, a->role = role;
  memset(at_end ? a->start - BESIDE : a->start + bytes, pattern, BESIDE);
  return a;
}

array *numbers(check *c, role role, ck_index count, real low, real high) {
  array *a = make(c, role, count, c->size);
  for (ck_index i = 0; i < count; i++) set(a, i, uniform(c, low, high));
  return a;
}

array *integers(check *c, role role, ck_index count, int size) {
  array *a = make(c, role, count, size);
  memset(a->start, 0x5A, (size_t)(count * size));
  return a;
}

array *tokens(check *c, ck_index count, ck_index vocabulary) {
  array *a = make(c, INPUT, count, sizeof(int32_t));
  for (ck_index i = 0; i < count; i++) set_integer(a, i, pick(c, 0, vocabulary - 1));
  return a;
}

array *doubles(check *c, ck_index count) {
  array *a = make(c, OUTPUT, count, sizeof(double));
  for (ck_index i = 0; i < count; i++) set(a, i, NAN);
  return a;
}

void add_specials(check *c, array *a, double share) {
  const real largest = c->size == 4 ? (real)FLT_MAX : (real)DBL_MAX;
  const real smallest = c->size == 4 ? (real)FLT_TRUE_MIN : (real)DBL_TRUE_MIN;
  const real values[] = {NAN,      INFINITY, -INFINITY, 0,    -0.0L,     largest,       -largest,
                         smallest, -smallest, 1,        -1,   1000,      -1000,         smallest_normal(c),
                         -smallest_normal(c), largest / 4, 1e12L, -1e12L, 1e-12L};
  for (ck_index i = 0; i < a->count; i++) {
    if (chance(c, share)) set(a, i, values[pick(c, 0, sizeof values / sizeof *values - 1)]);
  }
}

static real read_element(const char *from, int size) {
  float narrow;
  double wide;
  if (size == 4) return memcpy(&narrow, from, sizeof narrow), narrow;
  return memcpy(&wide, from, sizeof wide), wide;
}

real at(const array *a, ck_index i) { return read_element(a->start + i * a->size, a->size); }

real before(const array *a, ck_index i) { return read_element(a->before + i * a->size, a->size); }

void set(array *a, ck_index i, real value) {
  const float narrow = (float)value;
  const double wide = (double)value;
  if (a->size == 4) memcpy(a->start + i * a->size, &narrow, sizeof narrow);
  else memcpy(a->start + i * a->size, &wide, sizeof wide);
}

ck_index integer_at(const array *a, ck_index i) {
  int32_t narrow;
  int64_t wide;
  if (a->size == 4) return memcpy(&narrow, a->start + i * a->size, sizeof narrow), narrow;
  return memcpy(&wide, a->start + i * a->size, sizeof wide), wide;
}

void set_integer(array *a, ck_index i, ck_index value) {
  const int32_t narrow = (int32_t)value;
  const int64_t wide = value;
  if (a->size == 4) memcpy(a->start + i * a->size, &narrow, sizeof narrow);
  else memcpy(a->start + i * a->size, &wide, sizeof wide);
}

void *address(array *a, ck_index i) { return a ? a->start + i * a->size : NULL; }

// ---------------------------------------------------------------------------------------------------------
// Running

static size_t bytes_of(const array *a) { return (size_t)(a->count * a->size); }

void keep_arrays(check *c) {
  for (int i = 0; i < c->array_count; i++) memcpy(c->arrays[i].before, c->arrays[i].start, bytes_of(&c->arrays[i]));
}

void expect_arrays_kept(check *c) {
  for (int i = 0; i < c->array_count; i++) {
    const array *a = &c->arrays[i];
    const char *beside = a->start == a->low ? a->start + bytes_of(a) : a->start - BESIDE;
    for (int byte = 0; byte < BESIDE; byte++) {
      if ((unsigned char)beside[byte] == pattern) continue;
      fail(c, "array %d: written %s it", i, a->start == a->low ? "behind" : "before");
      break;
    }
    if (a->role == INPUT && memcmp(a->start, a->before, bytes_of(a)) != 0) fail(c, "array %d: an input was written", i);
  }
}

// Scratch memory that ends at a page without access, full of NaN.
static char *scratch_memory(check *c, int thread, size_t bytes, bool clears_head) {
  static char *memory[2];
  static size_t capacity[2];
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + 63) / 64 * 64;
  if (whole == 0) return NULL;
  if (whole > capacity[thread]) {
    capacity[thread] = (2 * whole + page - 1) / page * page;
    memory[thread] = pages(capacity[thread]);
  }
  char *start = memory[thread] + capacity[thread] - whole;
  memset(start, 0xFF, whole);
  if (clears_head) memset(start, 0, 64);
  (void)c;
  return start;
}

void run_kernel(check *c, ck_function kernel, const void *arguments, ck_index count, ck_index multiple, size_t scratch,
                bool clears_head) {
  keep_arrays(c);
  kernel(arguments, 0, count, scratch_memory(c, 0, scratch, clears_head));
  expect_arrays_kept(c);
  for (int i = 0; i < c->array_count; i++) {
    array *a = &c->arrays[i];
    memcpy(a->result, a->start, bytes_of(a));
    memcpy(a->start, a->before, bytes_of(a));
  }
  // In pieces, the last ones first or from the middle on, by two threads.
  char *memory[2] = {scratch_memory(c, 0, scratch, clears_head), scratch_memory(c, 1, scratch, clears_head)};
  ck_index ends[16], pieces = 0, end = 0;
  while (end < count && pieces < 15) {
    end += pick(c, 1, 1 + (count / multiple) / 3) * multiple;
    ends[pieces++] = end < count ? end : count;
  }
  if (end < count) ends[pieces++] = count;
  const ck_index first = pieces > 0 ? pick(c, 0, pieces - 1) : 0;
  for (ck_index i = 0; i < pieces; i++) {
    const ck_index piece = (first + pieces - i) % pieces;
    kernel(arguments, piece > 0 ? ends[piece - 1] : 0, ends[piece], memory[pick(c, 0, 1)]);
  }
  expect_arrays_kept(c);
  for (int i = 0; i < c->array_count; i++) {
    const array *a = &c->arrays[i];
    if (memcmp(a->result, a->start, bytes_of(a)) != 0) fail(c, "array %d: other bits in %td pieces", i, pieces);
  }
}

void fail(check *c, const char *format, ...) {
  c->failures++;
  if (c->failures > 5) return;
  va_list values;
  va_start(values, format);
  printf("%s %s, %s, %s: ", c->set, c->size == 4 ? "float" : "double", c->kernel, c->what);
  vprintf(format, values);
  printf("\n");
  va_end(values);
}

// ---------------------------------------------------------------------------------------------------------
// Comparing

static int digits(int size) { return size == 4 ? FLT_MANT_DIG : DBL_MANT_DIG; }

static real ulp_of(int size, real x) {
  const int least = size == 4 ? FLT_MIN_EXP : DBL_MIN_EXP;
  int exponent = least;
  if (isfinite(x) && x != 0) frexpl(x, &exponent);
  return ldexpl(1, (exponent > least ? exponent : least) - digits(size));
}

real ulp(const check *c, real x) { return ulp_of(c->size, x); }

real epsilon(const check *c) { return ldexpl(1, 1 - digits(c->size)); }

real smallest_normal(const check *c) { return c->size == 4 ? (real)FLT_MIN : (real)DBL_MIN; }

static real largest_of(int size) { return size == 4 ? (real)FLT_MAX : (real)DBL_MAX; }

static long index_of(const check *c, const array *a) { return (long)(a - c->arrays); }

void expect_within(check *c, const array *a, ck_index i, real want, real tolerance) {
  const real got = at(a, i), largest = largest_of(a->size);
  c->comparisons++;
  if (isnan(want) && isnan(got)) return;
  if (got == want) return;
  // Beside the largest number either is right.
  if (fabsl(want) + tolerance > largest && isinf(got) && signbit(got) == signbit(want)) return;
  if (fabsl(got - want) <= tolerance) return;
  fail(c, "array %ld [%td] is %.17Lg, not %.17Lg: %.3Lg ulps off, allowed %.3Lg", index_of(c, a), i, got, want,
       fabsl(got - want) / ulp_of(a->size, want), tolerance / ulp_of(a->size, want));
}

void expect_ulps(check *c, const array *a, ck_index i, real want, real scale, double ulps) {
  const real size = fabsl(scale) > fabsl(want) ? fabsl(scale) : fabsl(want);
  expect_within(c, a, i, want, ulps * ulp_of(a->size, isfinite(size) ? size : want));
}

// The reference is rounded twice: a hair more than a half.
void expect_nearest(check *c, const array *a, ck_index i, real want) {
  expect_within(c, a, i, want, 0.501L * ulp_of(a->size, want));
}

void expect_same(check *c, const array *a, ck_index i, real want) {
  const real got = at(a, i);
  c->comparisons++;
  if (isnan(want) && isnan(got)) return;
  if (got == want && signbit(got) == signbit(want)) return;
  fail(c, "array %ld [%td] is %.17Lg, not exactly %.17Lg", index_of(c, a), i, got, want);
}

void expect_integer(check *c, const array *a, ck_index i, ck_index want) {
  c->comparisons++;
  if (integer_at(a, i) != want) fail(c, "array %ld [%td] is %td, not %td", index_of(c, a), i, integer_at(a, i), want);
}

void expect_unchanged(check *c, const array *a, ck_index i) {
  c->comparisons++;
  if (memcmp(a->start + i * a->size, a->before + i * a->size, (size_t)a->size) != 0) {
    fail(c, "array %ld [%td] was written", index_of(c, a), i);
  }
}

// ---------------------------------------------------------------------------------------------------------
// Arithmetic in the type

real nearest(const check *c, real x) { return c->size == 4 ? (real)(float)x : (real)(double)x; }

real sum_of(const check *c, real a, real b) {
  return c->size == 4 ? (real)((float)a + (float)b) : (real)((double)a + (double)b);
}

real product_of(const check *c, real a, real b) {
  return c->size == 4 ? (real)((float)a * (float)b) : (real)((double)a * (double)b);
}

real multiply_add(const check *c, real a, real b, real sum) {
  if (!c->fused) return sum_of(c, product_of(c, a, b), sum);
  return c->size == 4 ? (real)fmaf((float)a, (float)b, (float)sum) : (real)fma((double)a, (double)b, (double)sum);
}

real bfloat16(real x) {
  int exponent;
  if (!isfinite(x) || x == 0) return x;
  if (fabsl(x) < (real)FLT_MIN) return copysignl(0, x);
  frexpl(x, &exponent);
  const real rounded = ldexpl(rintl(ldexpl(x, 8 - exponent)), exponent - 8);
  return fabsl(rounded) > (real)FLT_MAX ? copysignl(INFINITY, x) : rounded;
}

uint32_t philox_word(uint64_t key, uint64_t i, uint32_t c1, uint32_t c2, uint32_t c3) {
  uint32_t x[4] = {(uint32_t)(i / 4), c1, c2, c3}, k[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
  for (int round = 0; round < 10; round++) {
    const uint64_t a = (uint64_t)x[0] * 0xD2511F53u, b = (uint64_t)x[2] * 0xCD9E8D57u;
    x[0] = (uint32_t)(b >> 32) ^ x[1] ^ k[0];
    x[1] = (uint32_t)b;
    x[2] = (uint32_t)(a >> 32) ^ x[3] ^ k[1];
    x[3] = (uint32_t)a;
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return x[i % 4];
}
