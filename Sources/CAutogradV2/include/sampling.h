/* Drawing tokens and writing text with a transformer. The rules are those of autograd_v2.h.
 *
 * Draws come from the calling thread's context: the same seed (autograd_set_seed) gives the same text. */
#ifndef AUTOGRAD_V2_SAMPLING_H
#define AUTOGRAD_V2_SAMPLING_H

#include "text_utils.h"
#include "transformer_v2.h"

AUTOGRAD_BEGIN

typedef TransformerV2 TransformerModel;

/* Draws from softmax(logits / temperature); temperature 0 takes the likeliest. -1 where no draw is possible. */
AUTOGRAD_API int sample_from_logits(const double *logits, int vocab_size, double temperature);
/* Draws in proportion to `probs`, which need not add up to 1. */
AUTOGRAD_API int sample_from_probs(const double *probs, int size);

/* The prompt and what follows it, from malloc: the caller frees it. Records nothing; reads at most the last
 * max_seq_len tokens at a time. */
AUTOGRAD_API char *generate_text(
    TransformerModel *model, Vocabulary *vocab, const char *prompt, int max_new_tokens, double temperature);
/* The same, written to stdout as it comes. */
AUTOGRAD_API int generate_and_print(
    TransformerModel *model, Vocabulary *vocab, const char *prompt, int max_new_tokens, double temperature);

AUTOGRAD_END

#endif
