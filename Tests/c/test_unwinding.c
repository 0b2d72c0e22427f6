/* longjmp out of what the library calls: backward functions, parts that are recomputed, losses of a gradient check,
 * error handlers. The context is usable again, or says what happened. */
#include <pthread.h>
#include <setjmp.h>

#include "check.h"
#include "transformer_v2.h"

#define SHAPE(...) (const int[]){__VA_ARGS__}

static jmp_buf back;
static VariableV2 *w;
static int enough;

static void leaving_backward(void *ctx, TensorV2 *gradient) {
  (void)ctx;
  (void)gradient;
  longjmp(back, 1);
}

static VariableV2 *custom(VariableV2 *x, BackwardFunc backward) {
  VariableV2 *y = var_create_temp(tensor_clone_temp(x->data), true);
  CHECK(y && tape_add_op(g_tape, &x, 1, y, backward, NULL) == 0);
  return y;
}

static VariableV2 *leaving_part(VariableV2 *x, void *user) {
  ag_relu(x);
  if (enough-- <= 0) longjmp(back, 1);
  return user ? ag_recompute(ag_exp(x), leaving_part, NULL) : ag_exp(x);
}

static VariableV2 *leaving_loss(void *user) {
  if (enough-- <= 0) longjmp(back, 1);
  return ag_sum(ag_multiply(user, user));
}

static void leaving_handler(const char *message, void *user) {
  (void)message;
  (void)user;
  longjmp(back, 1);
}

static void failing_backward(void *ctx, TensorV2 *gradient) {
  (void)ctx;
  tensor_matmul(gradient, gradient);
}

/* Every way out. */
static void leave(int way) {
  switch (way) {
    case 0: autograd_backward(ag_sum(custom(w, leaving_backward))); break;
    case 1: enough = 0; ag_recompute(w, leaving_part, NULL); break;             /* in forward */
    case 2: enough = 1; ag_recompute(w, leaving_part, w); break;                /* one in the other */
    case 3: enough = 1; autograd_backward(ag_sum(ag_recompute(w, leaving_part, NULL))); break;
    case 4: enough = 2; autograd_backward(ag_sum(ag_recompute(w, leaving_part, w))); break;
    case 5: enough = 3; autograd_check_gradients(leaving_loss, w, &w, 1, 1e-6); break;
    case 6: enough = 0; autograd_check_gradients(leaving_loss, w, &w, 1, 1e-6); break;
    case 7:
      autograd_set_error_handler(leaving_handler, NULL);
      autograd_backward(ag_sum(custom(w, failing_backward)));
      break;
    case 8:
      autograd_set_error_handler(leaving_handler, NULL);
      ag_matmul(w, w);
      break;
  }
  CHECK(!"reached");
}

enum { WAYS = 9 };

static void left(int way) {
  if (!setjmp(back)) leave(way);
  quiet();
  autograd_clear_error();
}

/* Deep in a stack that hides where the left calls were. */
__attribute__((noinline)) static int deeper(int depth, int (*body)(void)) {
  volatile char room[512];
  room[0] = (char)depth;
  int result = depth ? deeper(depth - 1, body) : body();
  return result + room[0] - (char)depth;
}

static int resets(void) { return autograd_reset_iteration(); }
static int walks(void) { return autograd_backward(ag_sum(ag_multiply(w, w))); }
static int uses(void) { return autograd_context_use(NULL); }
static int trains(void) {
  OptimizerV2 *sgd = optimizer_create(&w, 1, 0.0);
  int result = walks() || optimizer_step(sgd) || resets();
  optimizer_destroy(sgd);
  return result;
}
static int cleans(void) {
  autograd_v2_cleanup();
  return 0;
}

static void usable_again(void) {
  static int (*const firsts[])(void) = {resets, walks, uses, cleans};
  double before[3];
  for (int i = 0; i < 3; i++) before[i] = w->data->data[i];
  for (int way = 0; way < WAYS; way++) {
    for (int first = 0; first < 4; first++) {
      for (int depth = 0; depth <= 40; depth += 40) {
        VariableV2 *early = ag_relu(w);
        left(way);
        /* Deep in the stack, what is computed while a part counts as running is found out by the walk, and told. */
        int result = deeper(depth, firsts[first]);
        if (result && depth && way >= 1 && way <= 4) {
          CHECK_ERROR("an exception or a longjmp left a function");
          result = deeper(depth, firsts[first]);
        }
        CHECK(result == 0 && reported_errors == 0);
        if (way < 7) CHECK(!ag_relu(early));
        reported_errors = 0;
        autograd_reset_iteration();
        CHECK(trains() == 0 && reported_errors == 0);
        for (int i = 0; i < 3; i++) CHECK(w->data->data[i] == before[i]);
      }
    }
  }
}

/* What was computed before is void, and says why; gradients count as incomplete until the reset. */
static void says_so(void) {
  OptimizerV2 *sgd = optimizer_create(&w, 1, 0.1);
  for (int way = 0; way < 7; way++) {
    VariableV2 *early = ag_relu(w);
    left(way);
    if (way < 5) {
      CHECK(!ag_relu(early));
      CHECK_ERROR("iteration ended when an exception or a longjmp left a function that the library was calling");
    }
    CHECK(ag_relu(w) && optimizer_step(sgd) == -1);
    CHECK_ERROR("the gradients are incomplete");
    CHECK(autograd_reset_iteration() == 0 && walks() == 0 && optimizer_step(sgd) == 0);
    autograd_reset_iteration();
  }
  optimizer_destroy(sgd);
}

/* Settings that the library had changed for the time of the call are as before. */
static void settings_stay(void) {
  for (int way = 0; way < 7; way++) {
    autograd_set_seed(9);
    double first = 0;
    TensorV2 *drawn = tensor_randn_persistent(SHAPE(1), 1, 1);
    first = drawn->data[0];
    tensor_free_persistent(drawn);
    autograd_set_seed(9);
    autograd_accumulate_gradients(true);
    left(way);
    autograd_reset_iteration();
    drawn = tensor_randn_persistent(SHAPE(1), 1, 1);
    CHECK(way == 5 || drawn->data[0] == first);
    tensor_free_persistent(drawn);
    CHECK(autograd_set_recording(true));
    /* Still accumulating: two iterations add up. */
    var_zero_grad(w);
    for (int i = 0; i < 2; i++) CHECK(walks() == 0 && autograd_reset_iteration() == 0);
    CHECK_CLOSE(w->grad->data[0], 4 * w->data->data[0], 1e-15);
    autograd_accumulate_gradients(false);
    autograd_reset_iteration();
  }
}

/* A part of the program's that catches what an inner one threw: the outer call fails, and the rest goes on. */
static VariableV2 *catching_part(VariableV2 *x, void *user) {
  (void)user;
  if (!setjmp(back)) {
    enough = 0;
    ag_recompute(x, leaving_part, NULL);
  }
  CHECK(!ag_exp(x));
  return x;
}

static void inner_left_outer_alive(void) {
  CHECK(!ag_recompute(w, catching_part, NULL));
  CHECK_ERROR("an exception or a longjmp left a function that the library was calling");
  CHECK(autograd_reset_iteration() == 0 && trains() == 0 && reported_errors == 0);
}

/* Still refused where the outer call is running. */
static void refusing_backward(void *ctx, TensorV2 *gradient) {
  (void)ctx;
  (void)gradient;
  autograd_v2_cleanup();
  CHECK(deeper(40, resets) == -1 && autograd_context_use(NULL) == -1);
  CHECK_ERROR("a backward is running");
}

static VariableV2 *refusing_loss(void *user) {
  autograd_v2_cleanup();
  CHECK_ERROR("a gradient check is running");
  CHECK(autograd_context_use(NULL) == -1);
  CHECK_ERROR("a gradient check is running");
  return ag_sum(ag_multiply(user, user));
}

static void inside(void) {
  CHECK(autograd_backward(ag_sum(custom(w, refusing_backward))) == 0);
  CHECK(autograd_check_gradients(refusing_loss, w, &w, 1, 1e-6) == 0);
  autograd_reset_iteration();
}

/* In a thread, on a context of its own and on a created one; the thread may end instead, too. */
static void *in_thread(void *context) {
  if (context) CHECK(autograd_context_use(context) == 0);
  left(0);
  CHECK(trains() != 0);
  CHECK(autograd_reset_iteration() == 0);
  return NULL;
}

static void exiting_backward(void *ctx, TensorV2 *gradient) {
  (void)ctx;
  (void)gradient;
  pthread_exit(NULL);
}

static void *ends_inside(void *context) {
  if (context) CHECK(autograd_context_use(context) == 0);
  autograd_backward(ag_sum(custom(w, exiting_backward)));
  return NULL;
}

static void threads(void) {
  AutogradContext *context = autograd_context_create();
  void *(*const bodies[])(void *) = {in_thread, ends_inside};
  for (int i = 0; i < 4; i++) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, bodies[i / 2], i % 2 ? context : NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
  }
  reported_errors = 0;
  CHECK(autograd_context_use(context) == 0 && autograd_reset_iteration() == 0 && trains() == 0);
  CHECK(autograd_context_use(NULL) == 0);
  autograd_context_destroy(context);
  CHECK(reported_errors == 0);
}

int main(void) {
  quiet();
  w = parameter(SHAPE(3), 1);
  inside();
  usable_again();
  says_so();
  settings_stay();
  inner_left_outer_alive();
  threads();
  var_free_persistent(w);
  autograd_v2_cleanup();
  return 0;
}
