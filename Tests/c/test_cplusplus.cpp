// The headers in C++.
#include "arena.h"
#include "autograd_v2.h"
#include "dataset.h"
#include "model_io_v2.h"
#include "sampling.h"
#include "text_utils.h"
#include "transformer_v2.h"

int main() {
  int shape[] = {2, 3};
  VariableV2 *w = var_create_parameter(tensor_randn_persistent(shape, 2, 1.0));
  VariableV2 *loss = ag_sum(ag_multiply(w, w));
  loss->grad->data[0] = 1.0;
  if (tape_backward(g_tape) != 0) return 1;
  for (int i = 0; i < 6; i++) {
    double difference = w->grad->data[i] - 2 * w->data->data[i];
    if (!(difference < 1e-15 && difference > -1e-15)) return 1;
  }
  var_free_persistent(w);
  if (arena_get_used(global_arena) == 0) return 1;
  autograd_v2_cleanup();
  return 0;
}
