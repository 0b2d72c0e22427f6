/* A program with names of its own that the library has too; it includes neither dataset.h nor text_utils.h. */
#include "check.h"
#include "transformer_v2.h"

typedef struct { float *items; } Dataset;

int calls;

void free_dataset(Dataset *dataset) {
  calls++;
  free(dataset->items);
}

int *tokenize(const char *text) {
  calls += text[0];
  return NULL;
}

int load_tokenizer(void) { return 42; }

int main(void) {
  Dataset dataset = {malloc(8)};
  free_dataset(&dataset);
  CHECK(tokenize("\2") == NULL && load_tokenizer() == 42 && calls == 3);
  TransformerV2 *model = transformer_create(5, 8, 2, 1, 16, 6);
  CHECK(transformer_forward(model, (const int[]){1, 2, 3}, 3));
  transformer_free(model);
  autograd_v2_cleanup();
  CHECK(calls == 3);
  return 0;
}
