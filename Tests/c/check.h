/* Checks for the C tests: a failing one prints where and ends the program with 1. */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd_v2.h"

#define CHECK(condition) \
  do { if (!(condition)) check_failed(__FILE__, __LINE__, #condition); } while (0)
#define CHECK_CLOSE(a, b, tolerance) check_close(__FILE__, __LINE__, #a, a, b, tolerance)
/* The call before failed, and its sentence contains `words`. */
#define CHECK_ERROR(words) check_error(__FILE__, __LINE__, words)

/* Sanitizers keep memory of their own, and ThreadSanitizer cannot follow a fork. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static int reported_errors;

static inline void check_failed(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: failed: %s (last error: %s)\n", file, line, what, autograd_last_error());
  exit(1);
}

static inline void check_close(const char *file, int line, const char *what, double a, double b, double tolerance) {
  double scale = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
  /* Written so that NaN fails. */
  if (fabs(a - b) <= tolerance * (scale > 1 ? scale : 1)) return;
  fprintf(stderr, "%s:%d: %s is %.17g, expected %.17g\n", file, line, what, a, b);
  exit(1);
}

static inline void count_error(const char *message, void *user) {
  (void)message;
  (void)user;
  reported_errors++;
}

static inline void check_error(const char *file, int line, const char *words) {
  if (reported_errors > 0 && strstr(autograd_last_error(), words)) {
    reported_errors = 0;
    autograd_clear_error();
    return;
  }
  fprintf(stderr, "%s:%d: %d errors, the last is \"%s\", expected one with \"%s\"\n", file, line, reported_errors,
          autograd_last_error(), words);
  exit(1);
}

/* Errors are counted instead of printed. */
static inline void quiet(void) { autograd_set_error_handler(count_error, NULL); }

/* Whether a checker keeps memory of its own beside the program's: then its resident memory says nothing. */
static inline int is_watched(void) {
  const char *preloaded = getenv("LD_PRELOAD");
  return SANITIZED || (preloaded && strstr(preloaded, "vgpreload"));
}

/* Resident memory in KiB. */
static inline long resident(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long all = 0, here = 0;
  if (!file || fscanf(file, "%ld %ld", &all, &here) != 2) here = 0;
  if (file) fclose(file);
  return here * 4;
}

/* A persistent variable of the given shape with numbers from a fixed sequence. */
static inline VariableV2 *parameter(const int *shape, int rank) {
  static unsigned state = 12345;
  TensorV2 *tensor = tensor_create_persistent(shape, rank);
  CHECK(tensor);
  for (int i = 0; i < tensor->size; i++) {
    state = state * 1664525u + 1013904223u;
    tensor->data[i] = (double)(state >> 8) / (1 << 24) * 2 - 1;
  }
  VariableV2 *variable = var_create_parameter(tensor);
  CHECK(variable);
  return variable;
}

#endif
