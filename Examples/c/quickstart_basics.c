/* The first steps of the quick start in one program: tensors, variables, a forward pass, a loss, gradients, an update.
 *
 *     cc quickstart_basics.c $(pkg-config --cflags --libs autograd_v2) -lm -o basics && ./basics */
#include <math.h>
#include <stdio.h>

#include "autograd_v2.h"

/* Simple SGD update */
static void sgd_step(VariableV2 **params, int n_params, double lr) {
  for (int i = 0; i < n_params; i++) {
    VariableV2 *p = params[i];
    if (p->grad) {
      for (int j = 0; j < p->data->size; j++) p->data->data[j] -= lr * p->grad->data[j];
    }
  }
}

static void check_gradients(VariableV2 **params, int n_params) {
  for (int i = 0; i < n_params; i++) {
    if (params[i]->grad) {
      double grad_sum = 0;
      for (int j = 0; j < params[i]->grad->size; j++) grad_sum += fabs(params[i]->grad->data[j]);
      printf("Param %d gradient sum: %.6f\n", i, grad_sum);
    }
  }
}

int main(void) {
  autograd_v2_init();

  /* Persistent tensors are for parameters: W [10, 20], bias [8]. */
  int weight_shape[] = {10, 20}, bias_shape[] = {8};
  TensorV2 *weight = tensor_create_persistent(weight_shape, 2);
  tensor_init_xavier(weight);
  VariableV2 *W = var_create_persistent(weight, true);
  VariableV2 *bias = var_create_persistent(tensor_zeros_persistent(bias_shape, 1), true);
  VariableV2 *params[] = {W, bias};

  /* A shape that does not fit is an error with a sentence, and NULL. */
  VariableV2 *wrong = ag_matmul(W, W);
  if (wrong || !autograd_last_error()[0]) return 1;

  double first = 0, last = 0;
  const int targets[] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1};
  for (int iter = 0; iter < 50; iter++) {
    /* Temporary tensors are for activations: x [20, 8]. */
    int input_shape[] = {20, 8};
    TensorV2 *input = tensor_create_temp(input_shape, 2);
    for (int i = 0; i < input->size; i++) input->data[i] = sin(i + 1.0);
    VariableV2 *x = var_create_temp(input, true);

    VariableV2 *y = ag_matmul(W, x);    /* [10, 8] */
    VariableV2 *z = ag_add(y, bias);    /* broadcasts over the rows */
    VariableV2 *h = var_relu(z);
    int new_shape[] = {5, 16};
    VariableV2 *reshaped = var_reshape(h, new_shape, 2);
    int back[] = {10, 8};
    VariableV2 *logits = var_reshape(reshaped, back, 2);
    VariableV2 *loss = compute_cross_entropy_loss(logits, targets, 10);
    if (!loss) return 1;

    loss->grad->data[0] = 1.0;
    tape_backward(g_tape);
    if (iter == 0) {
      check_gradients(params, 2);
      first = loss->data->data[0];
    }
    last = loss->data->data[0];
    sgd_step(params, 2, 0.1);

    /* CRITICAL: ends the iteration and everything temporary in it. */
    autograd_reset_iteration();
  }
  printf("loss %.4f, then %.4f\n", first, last);
  printf("Arena used: %zu bytes\n", arena_get_used(global_arena));
  printf("Arena allocated: %zu bytes\n", arena_get_allocated(global_arena));
  var_free_persistent(W);
  var_free_persistent(bias);
  autograd_v2_cleanup();
  return last < 0.9 * first ? 0 : 1;
}
