/* The quick start's loop for many iterations: resident memory stays flat and small; prints iterations per second, and
 * fails where there are fewer than RATE.
 *
 *     steady ITERATIONS D_MODEL [RATE] */
#include <time.h>

#include "check.h"
#include "transformer_v2.h"

enum { T = 32, V = 65, LENGTH = 500 };

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int count, char **arguments) {
  int iterations = count > 1 ? atoi(arguments[1]) : 10000, d_model = count > 2 ? atoi(arguments[2]) : 128;
  int tokens[LENGTH];
  for (int i = 0; i < LENGTH; i++) tokens[i] = (i * i + i / 7) % V;
  autograd_v2_init();
  TransformerV2 *model = transformer_create(V, d_model, 4, 2, 4 * d_model, T);
  VariableV2 **params;
  int n_params;
  transformer_get_params(model, &params, &n_params);
  AdamOptimizerV2 *opt = adam_create(0.001);
  for (int i = 0; i < n_params; i++) adam_add_param(opt, params[i]);
  long early = 0, late = 0;
  double begin = seconds();
  for (int iter = 0; iter < iterations; iter++) {
    int start = iter * 37 % (LENGTH - T - 1);
    VariableV2 *logits = transformer_forward(model, tokens + start, T);
    VariableV2 *loss = compute_cross_entropy_loss(logits, tokens + start + 1, T);
    loss->grad->data[0] = 1.0;
    CHECK(tape_backward(g_tape) == 0 && adam_step(opt) == 0);
    autograd_reset_iteration();
    if (iter == iterations / 20) early = resident();
    if (iter == iterations - 1) late = resident();
  }
  double took = seconds() - begin;
  printf("%d iterations, %.0f per second, resident %ld KiB, then %ld KiB\n", iterations, iterations / took, early,
         late);
  CHECK(is_watched() || late - early <= 256);
  CHECK(is_watched() || d_model > 128 || late <= 64 * 1024);
  CHECK(count < 4 || iterations / took >= atof(arguments[3]));
  adam_free(opt);
  free(params);
  transformer_free(model);
  autograd_v2_cleanup();
  return 0;
}
