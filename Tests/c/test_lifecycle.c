/* Opening and closing, memory over many iterations, contexts, threads, fork, arenas. */
#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "transformer_v2.h"

static int rounds = 10000;

static void init_and_cleanup(void) {
  long before = 0;
  for (int i = 0; i < rounds; i++) {
    CHECK(autograd_v2_init() == 0);
    VariableV2 *x = var_create_temp(tensor_zeros_temp((const int[]){4}, 1), true);
    CHECK(autograd_backward(ag_sum(x)) == 0);
    autograd_v2_cleanup();
    if (i == rounds / 10) before = resident();
  }
  CHECK(is_watched() || resident() - before < 2048);
}

static const int tokens[] = {1, 2, 3, 4, 0, 1}, targets[] = {2, 3, 4, 0, 1, 2};

static double train(TransformerV2 *model, AdamOptimizerV2 *adam) {
  VariableV2 *loss = compute_cross_entropy_loss(transformer_forward(model, tokens, 6), targets, 6);
  CHECK(loss);
  double value = loss->data->data[0];
  loss->grad->data[0] = 1.0;
  CHECK(tape_backward(g_tape) == 0 && adam_step(adam) == 0 && autograd_reset_iteration() == 0);
  return value;
}

typedef struct Trained { TransformerV2 *model; AdamOptimizerV2 *adam; } Trained;

static Trained begin(void) {
  autograd_set_seed(11);
  Trained t = {transformer_create(5, 8, 2, 1, 16, 6), adam_create(0.01)};
  VariableV2 **params;
  int count;
  transformer_get_params(t.model, &params, &count);
  for (int i = 0; i < count; i++) CHECK(adam_add_param(t.adam, params[i]) == 0);
  free(params);
  return t;
}

static void end(Trained t) {
  adam_free(t.adam);
  transformer_free(t.model);
}

static double expected;

static void flat_memory(void) {
  Trained t = begin();
  size_t allocated = 0;
  long before = 0;
  for (int i = 0; i < rounds; i++) {
    train(t.model, t.adam);
    if (i == rounds / 10) allocated = arena_get_allocated(global_arena), before = resident();
    if (i == 19) expected = train(t.model, t.adam);
  }
  CHECK(arena_get_allocated(global_arena) == allocated);
  CHECK(is_watched() || resident() - before < 1024);
  end(t);
}

/* Twenty iterations and one more give the same loss, whichever context and thread they run in. */
static double twenty(void) {
  Trained t = begin();
  for (int i = 0; i < 20; i++) train(t.model, t.adam);
  double loss = train(t.model, t.adam);
  end(t);
  return loss;
}

static void *in_thread(void *given) {
  AutogradContext *context = given;
  if (context) CHECK(autograd_context_use(context) == 0);
  for (int i = 0; i < (rounds > 100 ? 20 : 2); i++) CHECK(twenty() == expected);
  if (context) {
    CHECK(autograd_context_use(NULL) == 0);
    autograd_context_destroy(context);
  }
  return NULL;
}

static void contexts_and_threads(void) {
  CHECK(twenty() == expected);
  AutogradContext *context = autograd_context_create();
  TapeV2 *own = g_tape;
  VariableV2 *x = var_create_temp(tensor_zeros_temp((const int[]){4}, 1), true);
  CHECK(autograd_context_use(context) == 0);
  CHECK(g_tape != own);
  CHECK(!ag_relu(x));
  CHECK_ERROR("belongs to another context");
  CHECK(twenty() == expected);
  CHECK(autograd_context_use(NULL) == 0);
  CHECK(g_tape == own && ag_relu(x));
  pthread_t first, second;
  CHECK(pthread_create(&first, NULL, in_thread, context) == 0);
  CHECK(pthread_create(&second, NULL, in_thread, NULL) == 0);
  CHECK(pthread_join(first, NULL) == 0 && pthread_join(second, NULL) == 0);
  autograd_reset_iteration();
}

static void forked(void) {
  Trained t = begin();
  for (int i = 0; i < 10; i++) train(t.model, t.adam);
  VariableV2 *half = transformer_forward(t.model, tokens, 6);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(half && autograd_reset_iteration() == 0);
    for (int i = 0; i < 10; i++) train(t.model, t.adam);
    int same = train(t.model, t.adam) == expected && twenty() == expected;
    end(t);
    autograd_v2_cleanup();
    _exit(same ? 0 : 3);
  }
  autograd_reset_iteration();
  for (int i = 0; i < 10; i++) train(t.model, t.adam);
  CHECK(train(t.model, t.adam) == expected);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  end(t);
}

static void arenas(void) {
  Arena *arena = arena_create(1 << 16);
  CHECK(arena && arena_get_allocated(arena) >= 1 << 16 && arena_get_used(arena) == 0);
  char *first = arena_alloc(arena, 100);
  double *zeros = arena_calloc(arena, 10, 8);
  CHECK(first && zeros && zeros[9] == 0 && ((uintptr_t)zeros & 63) == 0);
  CHECK(arena_get_used(arena) >= 180);
  for (int round = 0; round < 100; round++) {
    arena_reset(arena);
    CHECK(arena_get_used(arena) == 0);
    for (int i = 0; i < 100; i++) CHECK(arena_alloc(arena, 5000));
  }
  CHECK(arena_get_allocated(arena) < 2 << 20);
  arena_reset_aggressive(arena);
  CHECK(arena_get_allocated(arena) == 0 && arena_alloc(arena, 1));
  arena_destroy(arena);
  arena_destroy(global_arena);
  CHECK_ERROR("belongs to its context");
  arena_init_global();
  VariableV2 *x = var_create_temp(tensor_zeros_temp((const int[]){4}, 1), true);
  arena_reset(global_arena);
  CHECK(!ag_relu(x));
  CHECK_ERROR("of step");
  arena_cleanup_global();
  CHECK(arena_get_allocated(global_arena) == 0);
}

static int thread_count(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/task");
  CHECK(folder);
  for (struct dirent *entry; (entry = readdir(folder));) count += entry->d_name[0] != '.';
  closedir(folder);
  return count;
}

/* A thread that was joined stays in the list for a moment. */
static int is_alone(void) {
  for (int tries = 0; thread_count() > 1 && tries < 1000; tries++) usleep(1000);
  return thread_count() == 1;
}

/* The workers end with the last context, those too whose place others have taken. */
static void workers_end(void) {
  static const int shape[] = {400, 400};
  CHECK(is_alone());
  VariableV2 *x = parameter(shape, 2);
  CHECK(ag_matmul(x, x));
  int before = thread_count();
  CHECK(before == 1 || sysconf(_SC_NPROCESSORS_ONLN) > 1);
  CHECK(autograd_set_threads(3) == 0);
  CHECK(ag_matmul(x, x) && thread_count() == before + 2);
  var_free_persistent(x);
  autograd_v2_cleanup();
  CHECK(is_alone());
}

int main(int count, char **arguments) {
  if (count > 1) rounds = atoi(arguments[1]);
  quiet();
  CHECK(tape_backward(g_tape) == -1);
  CHECK_ERROR("no operation is on the tape");
  init_and_cleanup();
  flat_memory();
  contexts_and_threads();
  if (!SANITIZED) forked();
  arenas();
  autograd_v2_cleanup();
  if (!SANITIZED) workers_end();
  return 0;
}
