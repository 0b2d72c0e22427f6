/* Text, data sets, sampling, models and checkpoints in files. The argument is a folder to write in. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "check.h"
#include "dataset.h"
#include "model_io_v2.h"
#include "sampling.h"
#include "text_utils.h"

static const char *folder = "/tmp";
static const char text[] = "she sells sea shells\non the sea shore\nthe shells she sells are sea shells\n";

static const char *path(const char *name) {
  static char full[4][1024];
  static int next;
  char *place = full[next++ % 4];
  snprintf(place, sizeof full[0], "%s/%s", folder, name);
  return place;
}

static void write_file(const char *name, const char *bytes, size_t length) {
  FILE *file = fopen(path(name), "wb");
  CHECK(file && fwrite(bytes, 1, length, file) == length && fclose(file) == 0);
}

static void vocabulary(void) {
  Vocabulary *vocab = vocab_create_from_text(text, strlen(text));
  CHECK(vocab && vocab->vocab_size == 11);
  CHECK(vocab_char_to_idx(vocab, 's') >= 0 && vocab_char_to_idx(vocab, 'z') == -1);
  CHECK(vocab_idx_to_char(vocab, vocab_char_to_idx(vocab, 'h')) == 'h' && vocab_idx_to_char(vocab, 11) == 0);
  CHECK(strcmp(vocab->chars[vocab->char_to_idx['h']], "h") == 0);
  size_t length = 0;
  int *tokens = tokenize(vocab, text, strlen(text), &length);
  CHECK(tokens && length == strlen(text));
  char *back = detokenize(vocab, tokens, length);
  CHECK(strcmp(back, text) == 0);
  CHECK(!tokenize(vocab, "she zells", 9, &length));
  CHECK_ERROR("code 122 at position 4 is not in the vocabulary");
  CHECK(!detokenize(vocab, (const int[]){11}, 1));
  CHECK_ERROR("outside the vocabulary");
  free(back);
  free(tokens);
  vocab_free(vocab);

  char all[256];
  for (int i = 0; i < 256; i++) all[i] = (char)i;
  vocab = vocab_create_from_text(all, 256);
  CHECK(vocab->vocab_size == 256);
  tokens = tokenize(vocab, all, 256, &length);
  back = detokenize(vocab, tokens, length);
  CHECK(memcmp(back, all, 256) == 0);
  free(back);
  free(tokens);
  vocab_free(vocab);
  CHECK(!vocab_create_from_text("", 0));
  CHECK_ERROR("empty");
}

static void data_sets(void) {
  write_file("text.txt", text, strlen(text));
  write_file("empty.txt", "", 0);
  TextDataset *dataset = dataset_load_file(path("text.txt"));
  CHECK(dataset && dataset->num_tokens == strlen(text) && strcmp(dataset->text, text) == 0);
  autograd_set_seed(5);
  Batch *batch = batch_create_random(dataset, 6, 10);
  CHECK(batch && batch->batch_size == 6 && batch->block_size == 10);
  CHECK(batch->inputs[1] == batch->inputs[0] + 10);
  for (int b = 0; b < 6; b++) {
    for (int i = 0; i < 9; i++) CHECK(batch->targets[b][i] == batch->inputs[b][i + 1]);
  }
  autograd_set_seed(5);
  Batch *again = batch_create_random(dataset, 6, 10), *other = batch_create_random(dataset, 6, 10);
  CHECK(memcmp(batch->inputs[0], again->inputs[0], 60 * sizeof(int)) == 0);
  CHECK(memcmp(batch->inputs[0], other->inputs[0], 60 * sizeof(int)) != 0);
  CHECK(!batch_create_random(dataset, 1, (int)dataset->num_tokens));
  CHECK_ERROR("do not hold a window");
  Batch *longest = batch_create_random(dataset, 2, (int)dataset->num_tokens - 1);
  CHECK(longest);
  batch_free(batch);
  batch_free(again);
  batch_free(other);
  batch_free(longest);
  dataset_free(dataset);
  CHECK(!dataset_load_file(path("empty.txt")));
  CHECK_ERROR("the file is empty");
  CHECK(!dataset_load_file(path("missing.txt")));
  CHECK_ERROR("does not exist");
  CHECK(!dataset_load_file(folder));
  CHECK_ERROR("it is a folder");

  CharTokenizer *tokenizer, *loaded;
  Dataset *tokens = load_text_file(path("text.txt"), &tokenizer);
  CHECK(tokens && tokens->length == (int)strlen(text) && tokenizer->vocab_size == 11);
  for (int i = 0; i < tokens->length; i++) {
    CHECK(token_to_char(tokens->tokens[i], tokenizer) == text[i]);
    CHECK(char_to_token(text[i], tokenizer) == tokens->tokens[i]);
    CHECK(tokenizer->char_to_id[(unsigned char)text[i]] == tokens->tokens[i]);
  }
  CHECK(char_to_token('z', tokenizer) == -1);
  int inputs[30], outputs[30];
  CHECK(get_batch(tokens, 3, 10, inputs, outputs) == 0 && inputs[1] == outputs[0] && inputs[11] == outputs[10]);
  CHECK(save_tokenizer(tokenizer, path("tokenizer.json")) == 0);
  CHECK((loaded = load_tokenizer(path("tokenizer.json"))) && loaded->vocab_size == 11);
  CHECK(memcmp(loaded->char_to_id, tokenizer->char_to_id, 256) == 0);
  CHECK(!load_tokenizer(path("text.txt")));
  CHECK_ERROR("is not a tokenizer's file");
  CHECK(!load_shakespeare(NULL));
  CHECK_ERROR("data/shakespeare.txt");
  free_tokenizer(loaded);
  free_tokenizer(tokenizer);
  free_dataset(tokens);
}

static double train(TransformerV2 *model, AdamOptimizerV2 *adam, TextDataset *data) {
  Batch *batch = batch_create_random(data, 4, 8);
  VariableV2 *logits = transformer_forward_batch(model, batch->inputs[0], 4, 8);
  VariableV2 *loss = compute_cross_entropy_loss(logits, batch->targets[0], 32);
  loss->grad->data[0] = 1.0;
  CHECK(tape_backward(g_tape) == 0 && adam_step(adam) == 0);
  double value = loss->data->data[0];
  batch_free(batch);
  autograd_reset_iteration();
  return value;
}

static void checkpoints(void) {
  TextDataset *data = dataset_load_file(path("text.txt"));
  autograd_set_seed(21);
  TransformerV2 *model = transformer_create(data->vocab->vocab_size, 12, 2, 2, 24, 8), *loaded = NULL;
  AdamOptimizerV2 *adam = adam_create(0.003), *loaded_adam = NULL;
  VariableV2 **params;
  int count, iteration = 0;
  double loss = 0, expected[5];
  transformer_get_params(model, &params, &count);
  for (int i = 0; i < count; i++) adam_add_param(adam, params[i]);
  free(params);
  for (int i = 0; i < 7; i++) loss = train(model, adam, data);
  CHECK(checkpoint_save(model, adam, 7, loss, path("state.safetensors")) == 0);
  CHECK(transformer_save(model, path("model.safetensors")) == 0);
  char *sample = generate_text(model, data->vocab, "she ", 20, 0.8);
  CHECK(sample && strlen(sample) == 24 && strncmp(sample, "she ", 4) == 0);
  CHECK(checkpoint_load(&loaded, &loaded_adam, &iteration, &loss, path("state.safetensors")) == 0);
  char *resampled = generate_text(loaded, data->vocab, "she ", 20, 0.8);
  CHECK(strcmp(sample, resampled) == 0);
  for (int i = 0; i < 5; i++) expected[i] = train(model, adam, data);
  transformer_free(loaded);
  adam_free(loaded_adam);

  /* Resumed equals uninterrupted, to the bit. */
  CHECK(checkpoint_load(&loaded, &loaded_adam, &iteration, &loss, path("state.safetensors")) == 0);
  CHECK(iteration == 7 && loaded->n_heads == 2 && loaded_adam->step_count == 7);
  for (int i = 0; i < 5; i++) CHECK(train(loaded, loaded_adam, data) == expected[i]);

  CHECK(transformer_load(loaded, path("model.safetensors")) == 0);
  TransformerV2 *smaller = transformer_create(5, 12, 2, 2, 24, 8);
  CHECK(transformer_load(smaller, path("model.safetensors")) == -1);
  CHECK_ERROR("token_embed has shape [11, 12], expected [5, 12], lm_head.weight has shape");
  CHECK(transformer_load(smaller, path("text.txt")) == -1);
  CHECK_ERROR("text.txt");
  CHECK(transformer_save(smaller, path("no/such/folder/x")) == -1);
  CHECK_ERROR("does not exist");
  TransformerV2 *none = (TransformerV2 *)&none;
  CHECK(checkpoint_load(&none, NULL, NULL, NULL, path("model.safetensors")) == -1 && none == NULL);
  CHECK_ERROR("the file has no iteration");
  transformer_free(smaller);
  transformer_free(loaded);
  adam_free(loaded_adam);
  transformer_free(model);
  adam_free(adam);

  free(sample);
  free(resampled);
  dataset_free(data);
}

/* Biases that the program took away are not in the file, and a model that is made of it has none there. */
static void without_biases(void) {
  TransformerV2 *model = transformer_create(5, 8, 2, 1, 16, 8), *whole = transformer_create(5, 8, 2, 1, 16, 8);
  TransformerV2 *loaded = NULL;
  AdamOptimizerV2 *adam = adam_create(0.01), *loaded_adam = NULL;
  VariableV2 *biases[] = {model->lm_head->bias, model->blocks[0]->ff->fc1->bias}, **params, **same;
  model->lm_head->bias = model->blocks[0]->ff->fc1->bias = NULL;
  int count, loaded_count;
  CHECK(transformer_get_params(model, &params, &count) == 0);
  for (int i = 0; i < count; i++) CHECK(adam_add_param(adam, params[i]) == 0);
  VariableV2 *logits = transformer_forward(model, (const int[]){1, 2, 3}, 3);
  VariableV2 *loss = compute_cross_entropy_loss(logits, (const int[]){2, 3, 4}, 3);
  CHECK(autograd_backward(loss) == 0 && adam_step(adam) == 0 && autograd_reset_iteration() == 0);
  CHECK(transformer_save(model, path("bare.safetensors")) == 0);
  CHECK(checkpoint_save(model, adam, 3, 1.5, path("bare-state.safetensors")) == 0 && reported_errors == 0);
  CHECK(checkpoint_load(&loaded, &loaded_adam, NULL, NULL, path("bare-state.safetensors")) == 0);
  CHECK(!loaded->lm_head->bias && !loaded->blocks[0]->ff->fc1->bias && loaded->blocks[0]->ff->fc2->bias);
  CHECK(transformer_get_params(loaded, &same, &loaded_count) == 0 && loaded_count == count);
  for (int i = 0; i < count; i++) {
    CHECK(memcmp(same[i]->data->data, params[i]->data->data, (size_t)params[i]->data->size * sizeof(double)) == 0);
  }
  CHECK(transformer_load(loaded, path("bare.safetensors")) == 0);
  CHECK(transformer_load(whole, path("bare.safetensors")) == -1);
  CHECK_ERROR("lm_head.bias is missing");
  CHECK(transformer_save(whole, path("whole.safetensors")) == 0);
  CHECK(transformer_load(model, path("whole.safetensors")) == -1);
  CHECK_ERROR("lm_head.bias is unexpected");
  /* Without a weight there is nothing to write. */
  VariableV2 *weight = whole->lm_head->weight;
  whole->lm_head->weight = NULL;
  CHECK(transformer_save(whole, path("whole.safetensors")) == -1);
  CHECK_ERROR("lm_head.weight is NULL");
  whole->lm_head->weight = weight;
  free(params);
  free(same);
  for (int i = 0; i < 2; i++) var_free_persistent(biases[i]);
  adam_free(adam);
  adam_free(loaded_adam);
  transformer_free(model);
  transformer_free(loaded);
  transformer_free(whole);
  autograd_reset_iteration();
}

/* An optimiser's settings in a file are looked at as those of a program are. */
static void spoilt_settings(void) {
  TransformerV2 *model = transformer_create(5, 8, 2, 0, 16, 8), *loaded = NULL;
  AdamOptimizerV2 *adam = adam_create(0.01), *loaded_adam = NULL;
  VariableV2 **params;
  int count;
  transformer_get_params(model, &params, &count);
  for (int i = 0; i < count; i++) adam_add_param(adam, params[i]);
  free(params);
  double *places[] = {&adam->learning_rate, &adam->beta1, &adam->beta2, &adam->epsilon};
  static const char *const words[] = {"a learning rate of nan", "beta1 is nan", "beta2 is nan", "epsilon is nan"};
  for (int i = 0; i < 4; i++) {
    double before = *places[i];
    *places[i] = NAN;
    CHECK(checkpoint_save(model, adam, 1, 1, path("spoilt.safetensors")) == -1);
    CHECK_ERROR(words[i]);
    *places[i] = before;
  }
  /* A loss that is none is written and read as what it is. */
  double loss = 0;
  CHECK(checkpoint_save(model, adam, -1, NAN, path("spoilt.safetensors")) == 0);
  int iteration = 0;
  CHECK(checkpoint_load(&loaded, &loaded_adam, &iteration, &loss, path("spoilt.safetensors")) == 0);
  CHECK(iteration == -1 && isnan(loss));
  adam_free(adam);
  adam_free(loaded_adam);
  transformer_free(model);
  transformer_free(loaded);
}

typedef struct Written { int (*write)(void *what, const char *path); void *what; } Written;

static int write_model(void *what, const char *path) { return transformer_save(what, path); }
static int write_checkpoint(void *what, const char *path) { return checkpoint_save(what, NULL, 1, 2, path); }
static int write_tokenizer(void *what, const char *path) { return save_tokenizer(what, path); }

static size_t read_all(FILE *file, char *bytes, size_t most) {
  CHECK(file);
  size_t length = fread(bytes, 1, most, file);
  fclose(file);
  return length;
}

static char piped[1 << 16];
static size_t piped_length;

static void *reads(void *file) {
  /* Before anybody has opened the other end, a read would be at the end at once. */
  struct pollfd end = {.fd = fileno(file), .events = POLLIN};
  while (poll(&end, 1, -1) < 0) {}
  piped_length = read_all(file, piped, sizeof piped);
  return NULL;
}

/* What is no plain file stays what it is: streams are written into, folders and the rest are refused. */
static void no_plain_files(void) {
  TransformerV2 *model = transformer_create(5, 4, 2, 0, 4, 4);
  CharTokenizer *tokenizer = create_char_tokenizer("abc");
  const Written all[] = {{write_model, model}, {write_checkpoint, model}, {write_tokenizer, tokenizer}};
  for (int i = 0; i < 3; i++) {
    char plain[1 << 16], name[1024], pipe_name[1024], device[1024], link_name[1024];
    struct stat status;
    snprintf(name, sizeof name, "%s", path("plain"));
    snprintf(pipe_name, sizeof pipe_name, "%s", path("pipe"));
    snprintf(device, sizeof device, "%s", path("device"));
    snprintf(link_name, sizeof link_name, "%s", path("link"));
    CHECK(all[i].write(all[i].what, name) == 0);
    size_t length = read_all(fopen(name, "rb"), plain, sizeof plain);
    CHECK(length > 20);

    unlink(pipe_name);
    CHECK(mkfifo(pipe_name, 0600) == 0);
    CHECK(all[i].write(all[i].what, pipe_name) == -1);
    CHECK_ERROR("it is not a plain file but a pipe");
    pthread_t reader;
    int end = open(pipe_name, O_RDONLY | O_NONBLOCK);
    CHECK(end >= 0 && fcntl(end, F_SETFL, 0) == 0);
    CHECK(pthread_create(&reader, NULL, reads, fdopen(end, "rb")) == 0);
    CHECK(all[i].write(all[i].what, pipe_name) == 0);
    CHECK(stat(pipe_name, &status) == 0 && S_ISFIFO(status.st_mode));
    CHECK(pthread_join(reader, NULL) == 0);
    CHECK(piped_length == length && memcmp(piped, plain, length) == 0);
    unlink(pipe_name);

    /* What /dev/null is, where one may make it. */
    if (mknod(device, S_IFCHR | 0666, makedev(1, 3)) == 0) {
      FILE *opened = fopen(device, "wb");
      if (opened) {
        fclose(opened);
        CHECK(all[i].write(all[i].what, device) == 0);
      }
      CHECK(stat(device, &status) == 0 && S_ISCHR(status.st_mode));
      unlink(device);
    }

    CHECK(all[i].write(all[i].what, folder) == -1);
    CHECK_ERROR("it is a folder");
    unlink(link_name);
    CHECK(symlink("plain", link_name) == 0 && all[i].write(all[i].what, link_name) == 0);
    CHECK(lstat(link_name, &status) == 0 && S_ISLNK(status.st_mode));
    unlink(name);
    CHECK(all[i].write(all[i].what, link_name) == -1);
    CHECK_ERROR("link: it is a symbolic link that leads nowhere");
    unlink(link_name);
    /* The sentence names the path that was given, and no other. */
    CHECK(all[i].write(all[i].what, path("missing/file")) == -1);
    CHECK(!strstr(autograd_last_error(), ".tmp"));
    CHECK_ERROR("missing/file: its folder does not exist");
  }
  free_tokenizer(tokenizer);
  transformer_free(model);
}

static void sampling(void) {
  static const double logits[] = {0.1, 3.0, -1.0, 2.9};
  CHECK(sample_from_logits(logits, 4, 0) == 1);
  CHECK(sample_from_logits(logits, 0, 1) == -1);
  CHECK_ERROR("0 logits");
  CHECK(sample_from_logits(logits, 4, -1) == -1);
  CHECK_ERROR("temperature");
  CHECK(sample_from_logits((const double[]){1, NAN}, 2, 1) == -1);
  CHECK_ERROR("NaN");
  CHECK(sample_from_probs((const double[]){0, 0}, 2) == -1);
  CHECK_ERROR("add up to 0");
  int found[4] = {0};
  for (int i = 0; i < 40000; i++) found[sample_from_probs((const double[]){1, 0, 2, 1}, 4)]++;
  CHECK(found[1] == 0);
  CHECK_CLOSE(found[2] / 40000.0, 0.5, 0.015);
  int high = 0;
  for (int i = 0; i < 40000; i++) high += sample_from_logits(logits, 4, 0.5) == 1;
  double total = 0;
  for (int i = 0; i < 4; i++) total += exp(logits[i] / 0.5);
  CHECK_CLOSE(high / 40000.0, exp(6.0) / total, 0.015);
}

int main(int count, char **arguments) {
  if (count > 1) folder = arguments[1];
  quiet();
  vocabulary();
  data_sets();
  checkpoints();
  without_biases();
  spoilt_settings();
  no_plain_files();
  sampling();
  autograd_v2_cleanup();
  return 0;
}
