/* The model: every gradient against differences, causality, batches, the optimiser's reach. */
#include "check.h"
#include "sampling.h"

enum { V = 7, C = 6, H = 2, L = 2, F = 10, T = 5, LONGEST = 8 };

static const int tokens[2][T] = {{1, 4, 0, 6, 4}, {2, 2, 5, 3, 1}};
static const int targets[2][T] = {{4, 0, 6, 4, 3}, {2, 5, 3, 1, 0}};

typedef struct Case { TransformerV2 *model; } Case;

static VariableV2 *loss_of(void *user) {
  return compute_cross_entropy_loss(transformer_forward(((Case *)user)->model, tokens[0], T), targets[0], T);
}

/* Larger weights than at the start, so that no gradient is lost in rounding. */
static void spread(VariableV2 **params, int count) {
  for (int p = 0; p < count; p++) {
    for (int i = 0; i < params[p]->data->size; i++) {
      params[p]->data->data[i] = 0.4 * params[p]->data->data[i] + 0.5 * sin(1.3 * i + p);
    }
  }
}

static void differences(TransformerV2 *model, VariableV2 **params, int count) {
  Case user = {model};
  VariableV2 *loss = loss_of(&user);
  loss->grad->data[0] = 1.0;
  CHECK(tape_backward(g_tape) == 0);
  double *kept[64];
  for (int p = 0; p < count; p++) {
    kept[p] = malloc(sizeof(double) * (size_t)params[p]->data->size);
    memcpy(kept[p], params[p]->grad->data, sizeof(double) * (size_t)params[p]->data->size);
  }
  for (int p = 0; p < count; p++) {
    double largest = 0;
    for (int i = 0; i < params[p]->data->size; i++) {
      double *value = &params[p]->data->data[i], original = *value, side[2];
      const double h = 1e-5;
      for (int s = 0; s < 2; s++) {
        autograd_reset_iteration();
        *value = original + (s ? h : -h);
        side[s] = loss_of(&user)->data->data[0];
      }
      *value = original;
      CHECK_CLOSE(kept[p][i], (side[1] - side[0]) / (2 * h), 2e-9);
      if (fabs(kept[p][i]) > largest) largest = fabs(kept[p][i]);
    }
    /* Softmax does not change with the keys' bias: its gradient is zero but for rounding. */
    int is_key_bias = p >= 2 && p < 2 + 16 * L && (p - 2) % 16 == 7;
    CHECK(is_key_bias ? largest < 1e-12 : largest > 1e-6);
    free(kept[p]);
  }
  CHECK(autograd_check_gradients(loss_of, &user, params, count, 1e-6) == 0);
  autograd_reset_iteration();
}

static void causality(TransformerV2 *model) {
  double kept[T * V];
  int changed[T];
  memcpy(kept, transformer_forward(model, tokens[0], T)->data->data, sizeof kept);
  for (int j = 0; j < T; j++) {
    memcpy(changed, tokens[0], sizeof changed);
    changed[j] = (changed[j] + 1) % V;
    const double *logits = transformer_forward(model, changed, T)->data->data;
    CHECK(memcmp(logits, kept, sizeof(double) * (size_t)(j * V)) == 0);
    CHECK(memcmp(logits + j * V, kept + j * V, sizeof(double) * V) != 0);
    const double *shorter = transformer_forward(model, tokens[0], j + 1)->data->data;
    CHECK(memcmp(shorter, kept, sizeof(double) * (size_t)((j + 1) * V)) == 0);
  }
  autograd_reset_iteration();
}

static void batches(TransformerV2 *model, VariableV2 **params, int count) {
  for (int b = 0; b < 2; b++) {
    VariableV2 *loss = compute_cross_entropy_loss(transformer_forward(model, tokens[b], T), targets[b], T);
    loss->grad->data[0] = 0.5;
    CHECK(tape_backward(g_tape) == 0);
  }
  double *kept[64];
  for (int p = 0; p < count; p++) {
    kept[p] = malloc(sizeof(double) * (size_t)params[p]->data->size);
    memcpy(kept[p], params[p]->grad->data, sizeof(double) * (size_t)params[p]->data->size);
  }
  autograd_reset_iteration();
  VariableV2 *logits = transformer_forward_batch(model, tokens[0], 2, T);
  CHECK(logits->data->rank == 3 && logits->data->shape[0] == 2);
  CHECK(memcmp(logits->data->data, transformer_forward(model, tokens[0], T)->data->data, sizeof(double) * T * V) == 0);
  VariableV2 *loss = compute_cross_entropy_loss(logits, targets[0], 2 * T);
  loss->grad->data[0] = 1.0;
  CHECK(tape_backward(g_tape) == 0);
  for (int p = 0; p < count; p++) {
    for (int i = 0; i < params[p]->data->size; i++) CHECK_CLOSE(params[p]->grad->data[i], kept[p][i], 1e-14);
    free(kept[p]);
  }
  autograd_reset_iteration();
}

/* The model written out of its layers gives the same numbers. */
static void layers(TransformerV2 *model) {
  static const int places[T] = {0, 1, 2, 3, 4};
  Embedding table = {model->token_embed, V, C};
  VariableV2 *x = ag_add(embedding_forward(&table, tokens[0], T), ag_embedding(model->pos_embed, places, T));
  for (int l = 0; l < L; l++) {
    TransformerBlock *block = model->blocks[l];
    VariableV2 *h = ag_add(x, mha_forward(block->attn, layer_norm_forward(block->ln1, x)));
    x = ag_add(h, ff_forward(block->ff, layer_norm_forward(block->ln2, h)));
  }
  VariableV2 *logits = linear_forward(model->lm_head, layer_norm_forward(model->ln_final, x));
  VariableV2 *whole = transformer_forward(model, tokens[0], T);
  for (int i = 0; i < T * V; i++) CHECK_CLOSE(logits->data->data[i], whole->data->data[i], 1e-13);
  VariableV2 *vector = var_create_temp(tensor_zeros_temp((const int[]){C}, 1), false);
  VariableV2 *row = linear_forward(model->lm_head, vector);
  CHECK(row && row->data->rank == 1 && row->data->size == V);
  autograd_reset_iteration();
}

/* Layers of their own: a block is its parts with the two residuals, a norm's rows have mean 0. */
static void single_layers(void) {
  VariableV2 *x = parameter((const int[]){T, C}, 2);
  TransformerBlock *block = block_create(C, H, F);
  CHECK(block && block->attn->d_head == C / H && block->ff->d_ff == F && block->ln1->size == C);
  VariableV2 *h = ag_add(x, mha_forward(block->attn, layer_norm_forward(block->ln1, x)));
  VariableV2 *parts = ag_add(h, ff_forward(block->ff, layer_norm_forward(block->ln2, h)));
  VariableV2 *whole = block_forward(block, x);
  for (int i = 0; i < T * C; i++) CHECK_CLOSE(whole->data->data[i], parts->data->data[i], 1e-13);
  LayerNorm *norm = layernorm_create(C);
  VariableV2 *y = layernorm_forward(norm, x);
  for (int t = 0; t < T; t++) {
    double sum = 0;
    for (int c = 0; c < C; c++) sum += y->data->data[t * C + c];
    CHECK_CLOSE(sum, 0.0, 1e-12);
  }
  layernorm_free(norm);
  block_free(block);
  var_free_persistent(x);
  autograd_reset_iteration();
}

static void every_parameter_moves(TransformerV2 *model, VariableV2 **params, int count) {
  AdamOptimizerV2 *adam = adam_create(0.01);
  double first[64];
  for (int p = 0; p < count; p++) {
    CHECK(adam_add_param(adam, params[p]) == 0);
    first[p] = tensor_sum(params[p]->data);
  }
  CHECK(adam_add_param(adam, params[3]) == 0 && adam->n_params == count && reported_errors == 0);
  for (int iteration = 0; iteration < 10; iteration++) {
    VariableV2 *loss = compute_cross_entropy_loss(transformer_forward(model, tokens[0], T), targets[0], T);
    loss->grad->data[0] = 1.0;
    CHECK(tape_backward(g_tape) == 0 && adam_step(adam) == 0);
    autograd_reset_iteration();
  }
  for (int p = 0; p < count; p++) {
    CHECK(tensor_sum(params[p]->data) != first[p]);
  }
  adam_free(adam);
}

/* Each character is the likeliest after a full pass over those before it, up to max_seq_len of them: keys and values that
 * are kept between the characters change nothing. */
static void continuation(TransformerV2 *model) {
  enum { MORE = 2 * LONGEST };
  Vocabulary *vocab = vocab_create_from_text("abcdefg", V);
  const char *prompts[] = {"a", "gfb", "abcdefga", "abcdefgabcde"};
  for (int i = 0; i < 4; i++) {
    const int length = (int)strlen(prompts[i]);
    char *text = generate_text(model, vocab, prompts[i], MORE, 0);
    CHECK(text && (int)strlen(text) == length + MORE);
    int ids[32];
    for (int j = 0; j < length + MORE; j++) ids[j] = vocab_char_to_idx(vocab, text[j]);
    for (int j = length; j < length + MORE; j++) {
      const int first = j > LONGEST ? j - LONGEST : 0, rows = j - first;
      VariableV2 *logits = transformer_forward(model, ids + first, rows);
      const double *row = logits->data->data + (rows - 1) * V;
      CHECK(sample_from_logits(row, V, 0) == ids[j]);
      autograd_reset_iteration();
    }
    free(text);
  }
  vocab_free(vocab);
}

static void errors(TransformerV2 *model) {
  int outside[T] = {0, 1, 2, V, 0};
  CHECK(!transformer_forward(model, outside, T));
  CHECK_ERROR("token 7 at position 3 is outside the vocabulary of 7");
  CHECK(!transformer_forward(model, tokens[0], LONGEST + 1));
  CHECK_ERROR("max_seq_len of 8");
  CHECK(!transformer_forward(model, tokens[0], 0));
  CHECK_ERROR("seq_len is 0");
  CHECK(!transformer_forward(model, NULL, T));
  CHECK_ERROR("NULL");
  autograd_reset_iteration();
  CHECK(!transformer_forward(NULL, tokens[0], T));
  CHECK_ERROR("the model is NULL");
  autograd_reset_iteration();
  CHECK(!compute_cross_entropy_loss(transformer_forward(model, tokens[0], T), targets[0], T - 1));
  CHECK_ERROR("seq_len is 4");
  CHECK(!transformer_create(V, C, 4, L, F, T));
  CHECK_ERROR("6 channels do not split into 4 heads");
  CHECK(!transformer_create(-1, C, H, L, F, T) && !transformer_create(V, C, H, L, 0, T));
  CHECK_ERROR("must be at least 1");
  autograd_reset_iteration();
}

int main(void) {
  quiet();
  autograd_set_seed(3);
  TransformerV2 *model = transformer_create(V, C, H, L, F, LONGEST);
  VariableV2 **params;
  int count;
  transformer_get_params(model, &params, &count);
  CHECK(count == 2 + 16 * L + 4);
  CHECK(params[0] == model->token_embed && params[2] == model->blocks[0]->ln1->gamma);
  CHECK(params[6] == model->blocks[0]->attn->q_proj->weight && params[15] == model->blocks[0]->ff->fc1->bias + 0);
  CHECK(params[count - 1] == model->lm_head->bias);
  spread(params, count);
  differences(model, params, count);
  causality(model);
  batches(model, params, count);
  layers(model);
  single_layers();
  every_parameter_moves(model, params, count);
  continuation(model);
  errors(model);
  free(params);
  transformer_free(model);
  autograd_v2_cleanup();
  return 0;
}
