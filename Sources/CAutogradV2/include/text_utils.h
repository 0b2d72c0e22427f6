/* A vocabulary of bytes, and batches of windows from a text. The rules are those of autograd_v2.h.
 *
 * Any text round-trips: a "character" is one byte. Unknown characters are an error, never token 0. */
#ifndef AUTOGRAD_V2_TEXT_UTILS_H
#define AUTOGRAD_V2_TEXT_UTILS_H

#include <stdio.h>

#include "autograd_v2_base.h"

AUTOGRAD_BEGIN

/* `chars[i]` is token i as a string of one byte; `char_to_idx[byte]` is its token or -1. */
typedef struct Vocabulary { char **chars; int *char_to_idx; int vocab_size; } Vocabulary;

AUTOGRAD_API Vocabulary *vocab_create_from_text(const char *text, size_t length);
AUTOGRAD_API void vocab_free(Vocabulary *vocab);
/* -1 where the character is not in the vocabulary. */
AUTOGRAD_API int vocab_char_to_idx(const Vocabulary *vocab, char character);
/* 0 where the token is not in the vocabulary. */
AUTOGRAD_API char vocab_idx_to_char(const Vocabulary *vocab, int token);
AUTOGRAD_API void vocab_print(const Vocabulary *vocab);

/* Tokens, or text with a closing zero byte, from malloc: the caller frees them. */
AUTOGRAD_API int *tokenize(const Vocabulary *vocab, const char *text, size_t length, size_t *out_length);
AUTOGRAD_API char *detokenize(const Vocabulary *vocab, const int *tokens, size_t count);

typedef struct TextDataset {
  char *text;
  size_t text_len;
  int *tokens;
  size_t num_tokens;
  Vocabulary *vocab;
} TextDataset;

AUTOGRAD_API TextDataset *dataset_load_file(const char *path);
AUTOGRAD_API void dataset_free(TextDataset *dataset);
AUTOGRAD_API void dataset_print_stats(const TextDataset *dataset);

/* `inputs[b]` and `targets[b]` have block_size tokens; targets are the inputs one further. The rows of each lie one
 * after the other: inputs[0] is all of them, as transformer_forward_batch takes them. */
typedef struct Batch { int **inputs; int **targets; int batch_size; int block_size; } Batch;

AUTOGRAD_API Batch *batch_create_random(const TextDataset *dataset, int batch_size, int block_size);
AUTOGRAD_API void batch_free(Batch *batch);

AUTOGRAD_END

#endif
