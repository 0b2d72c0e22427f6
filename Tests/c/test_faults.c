/* The N-th allocation fails, for every N: an error comes back, or the result is what it is without the fault; nothing
 * leaks, and the process goes on.
 *
 *     test_faults [STRIDE [MOST]]     every STRIDE-th N up to MOST: 1 and all of them where nothing is given
 *
 * Takes the place of malloc. Checkers do so themselves: for them compile with WRAPPED and the linker's --wrap for each
 * of the names; the calls inside of libc do not fail then. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "model_io_v2.h"

/* Allocations until one fails; negative: none will. */
static atomic_long countdown = -1;
static atomic_int fired;

static int fails(void) {
  if (atomic_load(&countdown) < 0) return 0;
  if (atomic_fetch_sub(&countdown, 1) != 1) return 0;
  atomic_store(&countdown, -1);
  atomic_store(&fired, 1);
  errno = ENOMEM;
  return 1;
}

#ifdef WRAPPED
#define OURS(name) __wrap_##name
#define MALLOC __real_malloc
#define CALLOC __real_calloc
#define REALLOC __real_realloc
#define MEMALIGN __real_aligned_alloc
#else
#define OURS(name) name
#define MALLOC __libc_malloc
#define CALLOC __libc_calloc
#define REALLOC __libc_realloc
#define MEMALIGN __libc_memalign
#endif

extern void *MALLOC(size_t), *CALLOC(size_t, size_t), *REALLOC(void *, size_t), *MEMALIGN(size_t, size_t);

void *OURS(malloc)(size_t size) { return fails() ? NULL : MALLOC(size); }
void *OURS(calloc)(size_t count, size_t size) { return fails() ? NULL : CALLOC(count, size); }
void *OURS(realloc)(void *block, size_t size) { return fails() ? NULL : REALLOC(block, size); }
void *OURS(aligned_alloc)(size_t alignment, size_t size) { return fails() ? NULL : MEMALIGN(alignment, size); }
void *OURS(memalign)(size_t alignment, size_t size) { return fails() ? NULL : MEMALIGN(alignment, size); }

int OURS(posix_memalign)(void **block, size_t alignment, size_t size) {
  if (fails()) return ENOMEM;
  /* aligned_alloc wants a multiple. */
  *block = MEMALIGN(alignment, (size + alignment - 1) & ~(alignment - 1));
  return *block ? 0 : ENOMEM;
}

void *OURS(mmap)(void *address, size_t length, int protection, int flags, int file, off_t offset) {
  if (fails()) return MAP_FAILED;
  return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

enum { T = 12, STEPS = 3 };

static const int tokens[T] = {1, 2, 3, 4, 0, 1, 5, 6, 7, 8, 9, 2}, targets[T] = {2, 3, 4, 0, 1, 5, 6, 7, 8, 9, 2, 1};

static VariableV2 *logits(VariableV2 *x, void *model) {
  VariableV2 *y = transformer_forward(model, tokens, T);
  return ag_add(y, ag_scale(x, 0));
}

/* The second step recomputes. Ends at the first failing call; the loss of the last step, or NaN. */
static double train(TransformerV2 *model, AdamOptimizerV2 *adam) {
  double last = NAN;
  for (int step = 0; step < STEPS; step++) {
    VariableV2 *y =
        step == 1 ? ag_recompute(model->lm_head->bias, logits, model) : transformer_forward(model, tokens, T);
    VariableV2 *loss = compute_cross_entropy_loss(y, targets, T);
    if (!loss) return NAN;
    last = loss->data->data[0];
    loss->grad->data[0] = 1.0;
    if (tape_backward(g_tape) || adam_step(adam) || autograd_reset_iteration()) return NAN;
  }
  return last;
}

static int make(TransformerV2 **model, AdamOptimizerV2 **adam) {
  VariableV2 **params;
  int count, failed = 0;
  autograd_set_seed(4);
  *model = transformer_create(10, 24, 2, 2, 48, T);
  *adam = *model ? adam_create(0.01) : NULL;
  if (!*adam || transformer_get_params(*model, &params, &count)) return -1;
  for (int i = 0; i < count && !failed; i++) failed = adam_add_param(*adam, params[i]);
  free(params);
  return failed;
}

static double expected;
/* Faults that nobody notices: a worker thread that is not started, say. */
static long harmless;

/* One run with the N-th allocation failing; whether one did. */
static int run(long n, int whole) {
  TransformerV2 *model = NULL;
  AdamOptimizerV2 *adam = NULL;
  autograd_v2_cleanup();
  reported_errors = 0;
  atomic_store(&fired, 0);
  int made = -1;
  double loss = NAN;
  if (whole) atomic_store(&countdown, n);
  made = make(&model, &adam);
  if (!whole) atomic_store(&countdown, n);
  if (made == 0) loss = train(model, adam);
  int hit = atomic_load(&fired);
  atomic_store(&countdown, -1);
  if (!(reported_errors > 0 || (made == 0 && loss == expected))) {
    fprintf(stderr, "allocation %ld: made %d, loss %.17g instead of %.17g, no error\n", n, made, loss, expected);
    exit(1);
  }
  harmless += hit && reported_errors == 0;
  /* The process goes on. */
  autograd_reset_iteration();
  if (made == 0) CHECK(isfinite(train(model, adam)));
  adam_free(adam);
  transformer_free(model);
  return hit;
}

int main(int count, char **arguments) {
  long stride = count > 1 ? atol(arguments[1]) : 1, most = count > 2 ? atol(arguments[2]) : LONG_MAX;
  quiet();
  TransformerV2 *model;
  AdamOptimizerV2 *adam;
  CHECK(make(&model, &adam) == 0);
  expected = train(model, adam);
  adam_free(adam);
  transformer_free(model);
  long steps = 1, all = 1;
  while (steps <= most && run(steps, 0)) steps += stride;
  harmless = 0;
  while (all <= most && run(all, 1)) all += stride;
  long spared = harmless;
  CHECK(steps > 5 && all > 5 && (most < LONG_MAX || all > steps));
  long before = resident();
  for (long n = 1; n < all; n += stride) run(n, 1);
  CHECK(is_watched() || resident() - before < 4096);
  printf("%ld allocations in %d steps, %ld with the making of the model; %ld of them can be done without\n", steps - 1,
         STEPS, all - 1, spared);
  autograd_v2_cleanup();
  return 0;
}
