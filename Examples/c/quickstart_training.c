/* The quick start's complete training loop, with the parts filled in that it leaves open: a text and its tokens.
 *
 *     cc quickstart_training.c $(pkg-config --cflags --libs autograd_v2) -o quickstart_training
 *     ./quickstart_training [ITERATIONS [D_MODEL]]
 *
 * Ends with 1 where 1000 or more iterations leave the loss above 1 nat per character. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd_v2.h"
#include "text_utils.h"
#include "transformer_v2.h"

static const char text[] =
    "the cat sat on the mat and looked at the dog\n"
    "the dog ran after the cat around the house\n"
    "a bird sang in the tree by the river\n"
    "the river ran down to the deep blue sea\n"
    "the sea was calm and the sky was clear\n"
    "she walked along the shore with her old dog\n"
    "he read a book under the tall green tree\n"
    "they ate bread and cheese for their lunch\n"
    "the sun went down and the moon came up\n"
    "then all of them slept until the morning\n";

int main(int count, char **arguments) {
  int iterations = count > 1 ? atoi(arguments[1]) : 1000, d_model = count > 2 ? atoi(arguments[2]) : 64;
  const int n_heads = 4, n_layers = 2, seq_len = 32;
  autograd_v2_init();
  Vocabulary *vocab = vocab_create_from_text(text, strlen(text));
  size_t length;
  int *tokens = tokenize(vocab, text, strlen(text), &length);

  TransformerV2 *model =
      transformer_create(vocab->vocab_size, d_model, n_heads, n_layers, 4 * d_model, seq_len);
  VariableV2 **params;
  int n_params;
  transformer_get_params(model, &params, &n_params);
  AdamOptimizerV2 *opt = adam_create(0.001);
  for (int i = 0; i < n_params; i++) adam_add_param(opt, params[i]);

  double average = 0;
  for (int iter = 0; iter < iterations; iter++) {
    /* A window of the text, and the same one character further. */
    const int *input_tokens = tokens + (size_t)iter * 37 % (length - seq_len);
    const int *target_tokens = input_tokens + 1;
    VariableV2 *logits = transformer_forward(model, input_tokens, seq_len);
    VariableV2 *loss = compute_cross_entropy_loss(logits, target_tokens, seq_len);
    if (!loss) return 1;

    loss->grad->data[0] = 1.0;
    tape_backward(g_tape);
    adam_step(opt);

    average = iter == 0 ? loss->data->data[0] : 0.98 * average + 0.02 * loss->data->data[0];
    if (iter % 100 == 0) printf("Iter %d, Loss: %.4f\n", iter, loss->data->data[0]);
    autograd_reset_iteration();
  }
  printf("average of the last: %.4f\n", average);

  adam_free(opt);
  free(params);
  transformer_free(model);
  vocab_free(vocab);
  free(tokens);
  autograd_v2_cleanup();
  return iterations < 1000 || average < 1.0 ? 0 : 1;
}
