/* An operation of one's own: the softplus log(1 + eˣ), put on the tape with tape_add_op.
 *
 *     cc custom_operation.c $(pkg-config --cflags --libs autograd_v2) -lm -o custom_operation && ./custom_operation
 *
 * Checks its gradient against differences; ends with 1 where they disagree. */
#include <math.h>
#include <stdio.h>

#include "autograd_v2.h"

/* What the backward needs. It lies in the arena, so it ends with the iteration, as the operation does. */
typedef struct Softplus { VariableV2 *x; } Softplus;

/* dx += dy · 1/(1 + e⁻ˣ): contributions add. */
static void softplus_backward(void *ctx, TensorV2 *grad_output) {
  Softplus *saved = ctx;
  for (int i = 0; i < grad_output->size; i++) {
    saved->x->grad->data[i] += grad_output->data[i] / (1 + exp(-saved->x->data->data[i]));
  }
}

static VariableV2 *softplus(VariableV2 *x) {
  if (!x) return NULL;
  TensorV2 *result = tensor_create_temp(x->data->shape, x->data->rank);
  VariableV2 *y = var_create_temp(result, x->requires_grad);
  Softplus *saved = arena_alloc(global_arena, sizeof *saved);
  if (!y || !saved) return NULL;
  saved->x = x;
  for (int i = 0; i < result->size; i++) result->data[i] = log1p(exp(x->data->data[i]));
  return tape_add_op(g_tape, &x, 1, y, softplus_backward, saved) == 0 ? y : NULL;
}

/* A number that depends on w through the operation. */
static VariableV2 *loss_of(void *user) {
  VariableV2 *w = user;
  return ag_sum(ag_multiply(softplus(ag_scale(w, 2)), w));
}

int main(void) {
  int shape[] = {2, 3};
  autograd_v2_init();
  TensorV2 *tensor = tensor_create_persistent(shape, 2);
  for (int i = 0; i < 6; i++) tensor->data[i] = i - 2.5;
  VariableV2 *w = var_create_parameter(tensor);

  VariableV2 *loss = loss_of(w);
  if (!loss) return 1;
  loss->grad->data[0] = 1.0;
  tape_backward(g_tape);
  for (int i = 0; i < 6; i++) printf("d/dw[%d] at %+.1f: %+.6f\n", i, w->data->data[i], w->grad->data[i]);

  int wrong = autograd_check_gradients(loss_of, w, &w, 1, 1e-7);
  if (wrong) fprintf(stderr, "%s\n", autograd_last_error());
  var_free_persistent(w);
  autograd_v2_cleanup();
  return wrong ? 1 : 0;
}
