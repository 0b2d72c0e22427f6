/* Adam against PyTorch's over a thousand steps. The argument is the fixture of Scripts/make_adam_fixture.py. */
#include "check.h"

enum { COUNT = 7 };

int main(int count, char **arguments) {
  FILE *file = fopen(count > 1 ? arguments[1] : "Tests/Fixtures/adam.txt", "r");
  if (!file) {
    fprintf(stderr, "no fixture\n");
    return 1;
  }
  VariableV2 *w = parameter((const int[]){COUNT}, 1);
  for (int i = 0; i < COUNT; i++) w->data->data[i] = 0.5 * i - 1;
  AdamOptimizerV2 *adam = adam_create(0.01);
  CHECK(adam_add_param(adam, w) == 0);
  int step = 0, next, compared = 0;
  while (fscanf(file, "%d", &next) == 1) {
    while (step < next) {
      step++;
      for (int i = 0; i < COUNT; i++) {
        double g = (1 + i / 10.0) * sin(0.37 * step + i) + w->data->data[i] / 20;
        w->grad->data[i] = i == COUNT - 1 ? 0 : g;
      }
      CHECK(adam_step(adam) == 0);
      if (step % 2) autograd_reset_iteration();
    }
    for (int i = 0; i < COUNT; i++) {
      double expected;
      CHECK(fscanf(file, "%lf", &expected) == 1);
      if (!(fabs(w->data->data[i] - expected) <= 1e-10 * fabs(expected))) {
        fprintf(stderr, "step %d, element %d: %.17g, PyTorch has %.17g\n", step, i, w->data->data[i], expected);
        return 1;
      }
      compared++;
    }
  }
  CHECK(step == 1000 && compared == 11 * COUNT && w->data->data[COUNT - 1] == 2);
  fclose(file);
  adam_free(adam);
  var_free_persistent(w);
  autograd_v2_cleanup();
  return 0;
}
