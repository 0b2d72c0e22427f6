/* Declares what the programs of the quick start guide leave undeclared. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd_v2.h"
#include "transformer_v2.h"

static const char text[] =
    "the cat sat on the mat\n"
    "the dog ran to the cat\n"
    "a bird sang in a tree\n"
    "the sea was deep blue\n"
    "she had an old grey dog\n"
    "he read a good book\n"
    "they ate some bread\n"
    "the sun went down late\n"
    "then the moon came up\n"
    "and all of them slept\n";

enum { seq_len = sizeof text - 2, d_model = 32, n_heads = 4, n_layers = 2, d_ff = 128, max_seq_len = 256 };

static int vocab_size;
static int input_tokens[seq_len], target_tokens[seq_len];

/* For the blocks of single statements. */
static int *input, *targets;
static VariableV2 *bias;

__attribute__((constructor)) static void prepare(void) {
  int ids[256] = {0};
  for (int i = 0; text[i]; i++) {
    if (!ids[(unsigned char)text[i]]) ids[(unsigned char)text[i]] = ++vocab_size;
  }
  for (int i = 0; i < seq_len; i++) {
    input_tokens[i] = ids[(unsigned char)text[i]] - 1;
    target_tokens[i] = ids[(unsigned char)text[i + 1]] - 1;
  }
  input = input_tokens;
  targets = target_tokens;
}

/* Stands for any model: its logits do not depend on the weights of the guide's first blocks. */
static inline VariableV2 *model_forward(const int *tokens) {
  static TransformerV2 *model;
  if (!model) model = transformer_create(vocab_size, d_model, n_heads, n_layers, d_ff, max_seq_len);
  return transformer_forward(model, tokens, seq_len);
}
