/* Made by Scripts/make_forwarders.py: do not edit. */
#include "autograd_v2_impl.h"

AUTOGRAD_WEAK int sample_from_logits(const double *logits, int vocab_size, double temperature) {
  return autograd_v2_impl_sample_from_logits(logits, vocab_size, temperature);
}

AUTOGRAD_WEAK int sample_from_probs(const double *probs, int size) {
  return autograd_v2_impl_sample_from_probs(probs, size);
}

AUTOGRAD_WEAK char *generate_text(TransformerModel *model, Vocabulary *vocab, const char *prompt, int max_new_tokens, double temperature) {
  return autograd_v2_impl_generate_text(model, vocab, prompt, max_new_tokens, temperature);
}

AUTOGRAD_WEAK int generate_and_print(TransformerModel *model, Vocabulary *vocab, const char *prompt, int max_new_tokens, double temperature) {
  return autograd_v2_impl_generate_and_print(model, vocab, prompt, max_new_tokens, temperature);
}
