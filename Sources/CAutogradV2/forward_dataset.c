/* Made by Scripts/make_forwarders.py: do not edit. */
#include "autograd_v2_impl.h"

AUTOGRAD_WEAK int char_to_token(char character, const CharTokenizer *tokenizer) {
  return autograd_v2_impl_char_to_token(character, tokenizer);
}

AUTOGRAD_WEAK char token_to_char(int token, const CharTokenizer *tokenizer) {
  return autograd_v2_impl_token_to_char(token, tokenizer);
}

AUTOGRAD_WEAK CharTokenizer *create_char_tokenizer(const char *text) {
  return autograd_v2_impl_create_char_tokenizer(text);
}

AUTOGRAD_WEAK void free_tokenizer(CharTokenizer *tokenizer) {
  autograd_v2_impl_free_tokenizer(tokenizer);
}

AUTOGRAD_WEAK Dataset *load_text_file(const char *path, CharTokenizer **tokenizer) {
  return autograd_v2_impl_load_text_file(path, tokenizer);
}

AUTOGRAD_WEAK Dataset *load_shakespeare(CharTokenizer **tokenizer) {
  return autograd_v2_impl_load_shakespeare(tokenizer);
}

AUTOGRAD_WEAK void free_dataset(Dataset *dataset) {
  autograd_v2_impl_free_dataset(dataset);
}

AUTOGRAD_WEAK int get_batch(const Dataset *dataset, int batch_size, int block_size, int *inputs, int *targets) {
  return autograd_v2_impl_get_batch(dataset, batch_size, block_size, inputs, targets);
}

AUTOGRAD_WEAK int save_tokenizer(const CharTokenizer *tokenizer, const char *path) {
  return autograd_v2_impl_save_tokenizer(tokenizer, path);
}

AUTOGRAD_WEAK CharTokenizer *load_tokenizer(const char *path) {
  return autograd_v2_impl_load_tokenizer(path);
}
