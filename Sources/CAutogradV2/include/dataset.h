/* A character tokenizer and a data set of token ids. The rules are those of autograd_v2.h. */
#ifndef AUTOGRAD_V2_DATASET_H
#define AUTOGRAD_V2_DATASET_H

#include "autograd_v2_base.h"

AUTOGRAD_BEGIN

/* char_to_id[byte] is the byte's token, as an unsigned char. */
typedef struct CharTokenizer { int vocab_size; char *char_to_id; } CharTokenizer;
typedef struct Dataset { int *tokens; int length; } Dataset;

/* -1 where the character, and 0 where the token, is not in the vocabulary. */
AUTOGRAD_API int char_to_token(char character, const CharTokenizer *tokenizer);
AUTOGRAD_API char token_to_char(int token, const CharTokenizer *tokenizer);
AUTOGRAD_API CharTokenizer *create_char_tokenizer(const char *text);
AUTOGRAD_API void free_tokenizer(CharTokenizer *tokenizer);

/* Reads a text and makes a tokenizer of it, which is the caller's too; nothing is ever downloaded. */
AUTOGRAD_API Dataset *load_text_file(const char *path, CharTokenizer **tokenizer);
/* The same for `data/shakespeare.txt`. */
AUTOGRAD_API Dataset *load_shakespeare(CharTokenizer **tokenizer);
AUTOGRAD_API void free_dataset(Dataset *dataset);

/* Fills `inputs` and `targets` with batch_size × block_size tokens of random windows. */
AUTOGRAD_API int get_batch(const Dataset *dataset, int batch_size, int block_size, int *inputs, int *targets);

AUTOGRAD_API int save_tokenizer(const CharTokenizer *tokenizer, const char *path);
AUTOGRAD_API CharTokenizer *load_tokenizer(const char *path);

AUTOGRAD_END

#endif
