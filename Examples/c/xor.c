/* Learns exclusive or with two layers and plain gradient descent.
 *
 *     cc xor.c $(pkg-config --cflags --libs autograd_v2) -o xor && ./xor [ITERATIONS]
 *
 * Ends with 1 where it has not learnt it after 3000 iterations (as many as there are without the argument) or more. */
#include <stdio.h>
#include <stdlib.h>

#include "autograd_v2.h"

static const double inputs[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
static const double outputs[4] = {0, 1, 1, 0};

int main(int count, char **arguments) {
  int iterations = count > 1 ? atoi(arguments[1]) : 3000;
  int input_shape[] = {4, 2}, output_shape[] = {4, 1};
  autograd_v2_init();
  autograd_set_seed(1);
  Linear *hidden = linear_create(2, 8), *last = linear_create(8, 1);
  VariableV2 *params[] = {hidden->weight, hidden->bias, last->weight, last->bias};
  OptimizerV2 *sgd = optimizer_create(params, 4, 0.5);
  double loss_value = 1, predicted[4] = {0};

  for (int iter = 0; iter < iterations; iter++) {
    TensorV2 *x = tensor_create_temp(input_shape, 2), *t = tensor_create_temp(output_shape, 2);
    for (int i = 0; i < 8; i++) x->data[i] = inputs[i / 2][i % 2];
    for (int i = 0; i < 4; i++) t->data[i] = outputs[i];

    VariableV2 *h = ag_tanh(linear_forward(hidden, var_create_temp(x, false)));
    VariableV2 *y = ag_sigmoid(linear_forward(last, h));
    VariableV2 *error = ag_subtract(y, var_create_temp(t, false));
    VariableV2 *loss = ag_mean(ag_multiply(error, error));
    if (!loss) return 1;

    loss->grad->data[0] = 1.0;
    tape_backward(g_tape);
    optimizer_step(sgd);
    loss_value = loss->data->data[0];
    for (int i = 0; i < 4; i++) predicted[i] = y->data->data[i];
    if (iter % 500 == 0) printf("iter %d, loss %.5f\n", iter, loss_value);
    autograd_reset_iteration();
  }

  int right = 0;
  for (int i = 0; i < 4; i++) {
    printf("%.0f xor %.0f = %.3f\n", inputs[i][0], inputs[i][1], predicted[i]);
    right += (predicted[i] > 0.5) == (outputs[i] > 0.5);
  }
  optimizer_destroy(sgd);
  linear_free(hidden);
  linear_free(last);
  autograd_v2_cleanup();
  if (iterations >= 3000 && (right != 4 || !(loss_value < 0.01))) {
    fprintf(stderr, "not learnt: %d of 4, loss %g\n", right, loss_value);
    return 1;
  }
  return 0;
}
