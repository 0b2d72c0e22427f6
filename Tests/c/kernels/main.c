// Checks every kernel of every instruction set that this CPU has: one line for each set and element type, and the
// first failures of each kernel. Exits with 1 if there was one.
//
//   check_kernels [--rounds N] [--seed N] [--set NAME] [--kernel NAME]
//
// --rounds tries so many random sizes beside the fixed ones.
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONE(NAME) +1
// A function that is added to a table and not to the list makes the table larger than this.
_Static_assert(
  sizeof(ck_table) == 2 * sizeof(ck_index) + (0 KERNELS(ONE) WEIGHT_KERNELS(ONE)) * sizeof(ck_function)
      + sizeof(ck_update[CK_UPDATE_KINDS]),
  "cases.h names every function of ck_table");
_Static_assert(sizeof(ck_pair_table) == (0 PAIR_KERNELS(ONE)) * sizeof(ck_function),
               "cases.h names every function of ck_pair_table");
#undef ONE
#define ONE(KIND, NAME) +1
_Static_assert(CK_UPDATE_KINDS == 0 UPDATES(ONE), "cases.h names every rule of ck_update_kind");
#undef ONE

// Nothing is named twice.
enum {
#define ONE(NAME) NAMED_##NAME,
  KERNELS(ONE)
#undef ONE
#define ONE(NAME) NAMED_PAIR_##NAME,
  PAIR_KERNELS(ONE)
#undef ONE
#define ONE(KIND, NAME) NAMED_##KIND,
  UPDATES(ONE)
#undef ONE
};

typedef struct options { int rounds; uint64_t seed; const char *set, *kernel; } options;

static options parse(int count, char **values) {
  options o = {.seed = 1};
  for (int i = 1; i < count; i += 2) {
    if (i + 1 == count) goto wrong;
    if (strcmp(values[i], "--rounds") == 0) o.rounds = atoi(values[i + 1]);
    else if (strcmp(values[i], "--seed") == 0) o.seed = strtoull(values[i + 1], NULL, 10);
    else if (strcmp(values[i], "--set") == 0) o.set = values[i + 1];
    else if (strcmp(values[i], "--kernel") == 0) o.kernel = values[i + 1];
    else goto wrong;
  }
  return o;
wrong:
  fprintf(stderr, "usage: check_kernels [--rounds N] [--seed N] [--set baseline|avx2|avx512|pairs] [--kernel NAME]\n");
  exit(2);
}

static bool fuses(const char *set) {
#if defined(__aarch64__)
  (void)set;
  return true;
#else
  return strcmp(set, "baseline") != 0;
#endif
}

// Prepares a kernel's check; false where options leave it out.
static bool prepare(check *c, const options *o, const char *kernel) {
  if (o->kernel && strcmp(o->kernel, kernel) != 0) return false;
  c->kernel = kernel;
  c->rounds = o->rounds;
  c->random = o->seed;
  c->failures = 0;
  return true;
}

// Returns the number of failures.
static long check_table(const char *set, const ck_table *table, int size, const options *o) {
  static check c;
  long kernels = 0, failures = 0, failed = 0;
  c.set = set, c.table = table, c.size = size, c.pairs = false, c.lanes = table->nr / 2, c.fused = fuses(set);
  c.comparisons = 0;
#define CHECK(NAME) \
  if (prepare(&c, o, #NAME)) { \
    check_##NAME(&c, table->NAME); \
    kernels++, failures += c.failures, failed += c.failures > 0; \
  }
  KERNELS(CHECK)
  if (size == 4) {
    WEIGHT_KERNELS(CHECK)
  }
#undef CHECK
#define CHECK(KIND, NAME) \
  if (prepare(&c, o, #NAME "_update")) { \
    check_##NAME##_update(&c, table->updates[KIND]); \
    kernels++, failures += c.failures, failed += c.failures > 0; \
  }
  UPDATES(CHECK)
#undef CHECK
  printf("%-8s %s: %ld kernels, %ld comparisons, ", set, size == 4 ? "float" : "double", kernels, c.comparisons);
  if (failures > 0) printf("%ld FAILED in %ld kernels\n", failures, failed);
  else printf("all well\n");
  fflush(stdout);
  return failures;
}

// The kernels of a table that has some of float: `TABLE` points to it, KERNELS lists them.
#define CHECK_SOME(SET, KERNELS, PAIRS) \
  static check c; \
  long kernels = 0, failures = 0; \
  c.set = SET, c.table = ck_table_for(CK_AVX512, 4), c.size = 4, c.pairs = PAIRS, c.lanes = c.table->nr / 2; \
  c.fused = true, c.comparisons = 0; \
  KERNELS(CHECK) \
  printf("%-8s float: %ld kernels, %ld comparisons, ", c.set, kernels, c.comparisons); \
  if (failures > 0) printf("%ld FAILED\n", failures); \
  else printf("all well\n"); \
  fflush(stdout); \
  return failures;

#define CHECK(NAME) \
  if (prepare(&c, o, #NAME)) { \
    check_##NAME(&c, table->NAME); \
    kernels++, failures += c.failures; \
  }

static long check_pairs(const ck_pair_table *table, const options *o) { CHECK_SOME("pairs", PAIR_KERNELS, true) }

static long check_integers(const ck_integer_table *table, const options *o) {
  CHECK_SOME("vnni", INTEGER_KERNELS, false)
}

int main(int count, char **values) {
  static const char *const names[] = {"baseline", "avx2", "avx512"};
  const options o = parse(count, values);
  const ck_instruction_set widest = ck_widest_instruction_set();
  long failures = 0;
  for (int set = CK_BASELINE; set <= CK_AVX512; set++) {
    if (o.set && strcmp(o.set, names[set]) != 0) continue;
    if (set > (int)widest) {
      printf("%-8s not on this CPU\n", names[set]);
      continue;
    }
    for (int size = 4; size <= 8; size += 4) {
      failures += check_table(names[set], ck_table_for((ck_instruction_set)set, size), size, &o);
    }
  }
  if (!o.set || strcmp(o.set, "pairs") == 0) {
    const ck_pair_table *pairs = ck_widest_pair_table();
    if (pairs) failures += check_pairs(pairs, &o);
    else printf("pairs    not on this CPU\n");
  }
  if (!o.set || strcmp(o.set, "vnni") == 0) {
    const ck_integer_table *table = ck_widest_integer_table();
    if (table) failures += check_integers(table, &o);
    else printf("vnni     not on this CPU\n");
  }
  return failures > 0;
}
