/* Made by Scripts/make_forwarders.py: do not edit. */
#include "autograd_v2_impl.h"

AUTOGRAD_WEAK Vocabulary *vocab_create_from_text(const char *text, size_t length) {
  return autograd_v2_impl_vocab_create_from_text(text, length);
}

AUTOGRAD_WEAK void vocab_free(Vocabulary *vocab) {
  autograd_v2_impl_vocab_free(vocab);
}

AUTOGRAD_WEAK int vocab_char_to_idx(const Vocabulary *vocab, char character) {
  return autograd_v2_impl_vocab_char_to_idx(vocab, character);
}

AUTOGRAD_WEAK char vocab_idx_to_char(const Vocabulary *vocab, int token) {
  return autograd_v2_impl_vocab_idx_to_char(vocab, token);
}

AUTOGRAD_WEAK void vocab_print(const Vocabulary *vocab) {
  autograd_v2_impl_vocab_print(vocab);
}

AUTOGRAD_WEAK int *tokenize(const Vocabulary *vocab, const char *text, size_t length, size_t *out_length) {
  return autograd_v2_impl_tokenize(vocab, text, length, out_length);
}

AUTOGRAD_WEAK char *detokenize(const Vocabulary *vocab, const int *tokens, size_t count) {
  return autograd_v2_impl_detokenize(vocab, tokens, count);
}

AUTOGRAD_WEAK TextDataset *dataset_load_file(const char *path) {
  return autograd_v2_impl_dataset_load_file(path);
}

AUTOGRAD_WEAK void dataset_free(TextDataset *dataset) {
  autograd_v2_impl_dataset_free(dataset);
}

AUTOGRAD_WEAK void dataset_print_stats(const TextDataset *dataset) {
  autograd_v2_impl_dataset_print_stats(dataset);
}

AUTOGRAD_WEAK Batch *batch_create_random(const TextDataset *dataset, int batch_size, int block_size) {
  return autograd_v2_impl_batch_create_random(dataset, batch_size, block_size);
}

AUTOGRAD_WEAK void batch_free(Batch *batch) {
  autograd_v2_impl_batch_free(batch);
}
