/* What AUTOGRAD_POISON, AUTOGRAD_CHECK, the explaining functions and frame pointers show. With the argument `touch` the
 * program reads a temporary after its reset, which AddressSanitizer must report. */
#include "check.h"

static void poisoned(void) {
  TensorV2 *t = tensor_zeros_temp((const int[]){1000}, 1);
  double *data = t->data;
  CHECK(data[999] == 0);
  autograd_reset_iteration();
  if (!SANITIZED) CHECK(data[0] != data[0] && data[999] != data[999]);
  CHECK(!tensor_relu(t));
  CHECK_ERROR("tensor of step 1 used in step 2");
  for (int i = 0; i < 100; i++) autograd_reset_iteration();
}

static void changed_after_forward(void) {
  VariableV2 *w = parameter((const int[]){2, 2}, 2), *b = parameter((const int[]){2}, 1);
  VariableV2 *loss = ag_sum(ag_multiply(ag_add(w, b), w));
  b->data->data[0] += 1;
  w->data->data[3] += 1;
  CHECK(autograd_backward(loss) == -1);
  CHECK_ERROR("input 1 of operation 1 on the tape, of shape [2, 2], changed after");
  autograd_reset_iteration();
  loss = ag_sum(ag_multiply(ag_add(w, b), w));
  b->data->data[0] += 1;
  CHECK(autograd_backward(loss) == 0);
  autograd_reset_iteration();
  var_free_persistent(w);
  var_free_persistent(b);
}

static VariableV2 *times_root(VariableV2 *x, void *user) { return ag_multiply(x, ag_sqrt(user)); }

/* What only a part uses is watched, too. */
static void inside_of_parts(void) {
  VariableV2 *w = parameter((const int[]){2}, 1), *b = parameter((const int[]){2}, 1);
  for (int i = 0; i < 2; i++) b->data->data[i] = i + 1;
  VariableV2 *loss = ag_sum(ag_recompute(w, times_root, b));
  CHECK(autograd_backward(loss) == 0);
  loss = ag_sum(ag_recompute(w, times_root, b));
  b->data->data[1] += 1;
  CHECK(autograd_backward(loss) == -1);
  CHECK_ERROR("input 1 of operation 0 on the tape, of shape [2], changed after");
  autograd_reset_iteration();
  b->data->data[1] = 0;
  autograd_set_anomaly_mode(true);
  CHECK(autograd_backward(ag_sum(ag_recompute(w, times_root, b))) == -1);
  CHECK_ERROR("made the gradient");
  autograd_set_anomaly_mode(false);
  autograd_reset_iteration();
  var_free_persistent(w);
  var_free_persistent(b);
}

static void explained(void) {
  VariableV2 *used = parameter((const int[]){2}, 1), *unused = parameter((const int[]){2}, 1);
  VariableV2 *dead = parameter((const int[]){2}, 1), *both[] = {used, unused, dead, NULL};
  dead->data->data[0] = dead->data->data[1] = -1;
  CHECK(strstr(autograd_explain_gradients(both, 1), "parameter 0: zero: nothing was recorded"));
  VariableV2 *loss = ag_sum(ag_add(ag_multiply(used, used), ag_relu(dead)));
  CHECK(strstr(autograd_explain_gradients(both, 1), "no backward ran"));
  CHECK(autograd_backward(loss) == 0);
  const char *text = autograd_explain_gradients(both, 4);
  CHECK(strstr(text, "parameter 0: not zero\n") && strstr(text, "parameter 1: zero: no operation"));
  CHECK(strstr(text, "parameter 2: zero: the gradients that reached it are zero"));
  CHECK(strstr(text, "parameter 3: it is NULL"));
  autograd_reset_iteration();
  CHECK(strstr(autograd_explain_gradients(both, 1), "of an earlier iteration"));
  FILE *file = tmpfile();
  char report[512] = "";
  autograd_memory_report(file);
  rewind(file);
  CHECK(fread(report, 1, sizeof report - 1, file) > 50 && strstr(report, "bytes in use"));
  fclose(file);
  for (int i = 0; i < 3; i++) var_free_persistent(both[i]);
}

static int frames_to_caller;

/* Walks the frame pointers from here to the function that called tape_backward, as a profiler does. */
static void walk_frames(void *ctx, TensorV2 *grad_output) {
  (void)grad_output;
  void **frame = __builtin_frame_address(0);
  for (int depth = 0; depth < 64 && (void *)frame < ctx; depth++) {
    void **next = *frame;
    if (next <= frame) break;
    frame = next;
    if ((void *)frame == ctx) frames_to_caller = depth + 1;
  }
}

static void frame_pointers(void) {
  VariableV2 *w = parameter((const int[]){2}, 1);
  VariableV2 *y = var_create_temp(tensor_zeros_temp((const int[]){1}, 1), true);
  CHECK(tape_add_op(g_tape, &w, 1, y, walk_frames, __builtin_frame_address(0)) == 0);
  y->grad->data[0] = 1;
  CHECK(tape_backward(g_tape) == 0);
  CHECK(frames_to_caller >= 4);
  autograd_reset_iteration();
  var_free_persistent(w);
}

int main(int count, char **arguments) {
  setenv("AUTOGRAD_POISON", "1", 1);
  setenv("AUTOGRAD_CHECK", "1", 1);
  quiet();
  if (count > 1 && strcmp(arguments[1], "touch") == 0) {
    double *data = tensor_zeros_temp((const int[]){1000}, 1)->data;
    autograd_reset_iteration();
    printf("%g\n", data[500]);
    return 0;
  }
  poisoned();
  changed_after_forward();
  inside_of_parts();
  explained();
  frame_pointers();
  autograd_v2_cleanup();
  return 0;
}
