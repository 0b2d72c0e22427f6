/* Trains a small transformer on a text, batch after batch, saves checkpoints, goes on from the last one, and writes
 * a sample.
 *
 *     cc train_text.c $(pkg-config --cflags --libs autograd_v2) -o train_text
 *     ./train_text input.txt checkpoint.safetensors 1000
 *
 * Started again with more iterations it continues where it stopped, with the same numbers as without the stop.
 * Ends with 1 where something failed or the loss did not fall. */
#include <stdio.h>
#include <stdlib.h>

#include "autograd_v2.h"
#include "model_io_v2.h"
#include "sampling.h"
#include "text_utils.h"
#include "transformer_v2.h"

enum { BATCH = 8, BLOCK = 32, D_MODEL = 64, HEADS = 4, LAYERS = 2, D_FF = 256 };

static int fail(void) {
  fprintf(stderr, "train_text: %s\n", autograd_last_error());
  return 1;
}

/* A new model, or the one in the checkpoint. */
static int open_model(const char *path, int vocab, TransformerV2 **model, AdamOptimizerV2 **adam, int *done) {
  double loss;
  FILE *existing = fopen(path, "rb");
  if (existing) {
    fclose(existing);
    if (checkpoint_load(model, adam, done, &loss, path)) return -1;
    printf("continuing after iteration %d, loss %.4f\n", *done, loss);
    return (*model)->vocab_size == vocab ? 0 : -1;
  }
  *model = transformer_create(vocab, D_MODEL, HEADS, LAYERS, D_FF, BLOCK);
  *adam = adam_create(0.001);
  VariableV2 **params;
  int count;
  if (!*model || !*adam || transformer_get_params(*model, &params, &count)) return -1;
  for (int i = 0; i < count; i++) adam_add_param(*adam, params[i]);
  free(params);
  return 0;
}

/* One iteration; the loss, or -1. */
static double train(TransformerV2 *model, AdamOptimizerV2 *adam, const TextDataset *data) {
  Batch *batch = batch_create_random(data, BATCH, BLOCK);
  if (!batch) return -1;
  VariableV2 *logits = transformer_forward_batch(model, batch->inputs[0], BATCH, BLOCK);
  VariableV2 *loss = compute_cross_entropy_loss(logits, batch->targets[0], BATCH * BLOCK);
  batch_free(batch);
  if (!loss) return -1;
  loss->grad->data[0] = 1.0;
  if (tape_backward(g_tape) || adam_step(adam)) return -1;
  double value = loss->data->data[0];
  autograd_reset_iteration();
  return value;
}

int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "use: train_text TEXT CHECKPOINT [ITERATIONS]\n");
    return 64;
  }
  int iterations = count > 3 ? atoi(arguments[3]) : 500, done = 0;
  double first = 0, average = 0;
  TransformerV2 *model = NULL;
  AdamOptimizerV2 *adam = NULL;
  autograd_v2_init();
  autograd_set_seed(1);
  TextDataset *data = dataset_load_file(arguments[1]);
  if (!data || open_model(arguments[2], data->vocab->vocab_size, &model, &adam, &done)) return fail();
  dataset_print_stats(data);

  for (int iter = done; iter < iterations; iter++) {
    double loss = train(model, adam, data);
    if (loss < 0) return fail();
    if (iter == 0) first = loss;
    average = average > 0 ? 0.95 * average + 0.05 * loss : loss;
    if (iter % 50 == 0) printf("iter %d, loss %.4f\n", iter, average);
    int last = iter + 1 == iterations;
    if ((iter % 200 == 199 || last) && checkpoint_save(model, adam, iter + 1, loss, arguments[2])) return fail();
    if (last) printf("iter %d, loss %.17g\n", iter, loss);
  }
  int failed = generate_and_print(model, data->vocab, "\n", 80, 0.8);
  adam_free(adam);
  transformer_free(model);
  dataset_free(data);
  autograd_v2_cleanup();
  if (failed) return fail();
  if (first > 0 && iterations >= 100 && !(average < 0.7 * first)) {
    fprintf(stderr, "train_text: the loss fell from %g to %g only\n", first, average);
    return 1;
  }
  return 0;
}
