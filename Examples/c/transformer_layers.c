/* A transformer written out of layers, as one would change it: here every block gets a gate on its feed-forward part.
 *
 *     cc transformer_layers.c $(pkg-config --cflags --libs autograd_v2) -o transformer_layers && ./transformer_layers
 *
 * Learns to continue 0 1 2 … counting; ends with 1 where it has not.
 * Axes: T tokens, C channels, F feed-forward width, V vocabulary. */
#include <stdio.h>
#include <stdlib.h>

#include "autograd_v2.h"
#include "transformer_v2.h"

enum { T = 12, C = 32, H = 4, F = 64, V = 10, LAYERS = 2 };

typedef struct Block {
  LayerNormV2 *norm1, *norm2;
  MultiHeadAttention *attention;
  FeedForward *feed_forward;
  VariableV2 *gate; /* [C] */
} Block;

typedef struct Model {
  Embedding *tokens, *positions;
  Block blocks[LAYERS];
  LayerNormV2 *norm;
  Linear *head;
} Model;

static VariableV2 *block_of(Block *b, VariableV2 *x) {
  VariableV2 *h = ag_add(x, mha_forward(b->attention, layer_norm_forward(b->norm1, x)));
  VariableV2 *f = ff_forward(b->feed_forward, layer_norm_forward(b->norm2, h));
  return ag_add(h, ag_multiply(f, b->gate)); /* [T, C] · [C] */
}

static VariableV2 *logits_of(Model *m, const int *tokens) {
  int places[T];
  for (int i = 0; i < T; i++) places[i] = i;
  VariableV2 *x = ag_add(embedding_forward(m->tokens, tokens, T), embedding_forward(m->positions, places, T));
  for (int l = 0; l < LAYERS; l++) x = block_of(&m->blocks[l], x);
  return linear_forward(m->head, layer_norm_forward(m->norm, x)); /* [T, V] */
}

static void add_linear(AdamOptimizerV2 *adam, Linear *layer) {
  adam_add_param(adam, layer->weight);
  adam_add_param(adam, layer->bias);
}

static void add_norm(AdamOptimizerV2 *adam, LayerNormV2 *layer) {
  adam_add_param(adam, layer->gamma);
  adam_add_param(adam, layer->beta);
}

static void make(Model *m, AdamOptimizerV2 *adam) {
  int gate_shape[] = {C};
  m->tokens = embedding_create(V, C);
  m->positions = embedding_create(T, C);
  adam_add_param(adam, m->tokens->embeddings);
  adam_add_param(adam, m->positions->embeddings);
  for (int l = 0; l < LAYERS; l++) {
    Block *b = &m->blocks[l];
    TensorV2 *gate = tensor_create_persistent(gate_shape, 1);
    for (int i = 0; i < C; i++) gate->data[i] = 0.5;
    *b = (Block){layer_norm_create(C), layer_norm_create(C), mha_create(C, H), ff_create(C, F),
                 var_create_parameter(gate)};
    adam_add_param(adam, b->gate);
    add_norm(adam, b->norm1);
    add_norm(adam, b->norm2);
    add_linear(adam, b->attention->q_proj);
    add_linear(adam, b->attention->k_proj);
    add_linear(adam, b->attention->v_proj);
    add_linear(adam, b->attention->out_proj);
    add_linear(adam, b->feed_forward->fc1);
    add_linear(adam, b->feed_forward->fc2);
  }
  m->norm = layer_norm_create(C);
  m->head = linear_create(C, V);
  add_norm(adam, m->norm);
  add_linear(adam, m->head);
}

static void unmake(Model *m) {
  embedding_free(m->tokens);
  embedding_free(m->positions);
  for (int l = 0; l < LAYERS; l++) {
    layer_norm_free(m->blocks[l].norm1);
    layer_norm_free(m->blocks[l].norm2);
    mha_free(m->blocks[l].attention);
    ff_free(m->blocks[l].feed_forward);
    var_free_persistent(m->blocks[l].gate);
  }
  layer_norm_free(m->norm);
  linear_free(m->head);
}

int main(int count, char **arguments) {
  int iterations = count > 1 ? atoi(arguments[1]) : 300, tokens[T + 1];
  double average = 0;
  Model model;
  autograd_v2_init();
  AdamOptimizerV2 *adam = adam_create(0.003);
  make(&model, adam);
  for (int iter = 0; iter < iterations; iter++) {
    /* Counts in steps of 1, 2 or 3 from anywhere: after two numbers the rest is certain. */
    int start = iter * 7 % V, step = 1 + iter % 3;
    for (int i = 0; i <= T; i++) tokens[i] = (start + i * step) % V;
    VariableV2 *loss = compute_cross_entropy_loss(logits_of(&model, tokens), tokens + 1, T);
    if (!loss) return 1;
    loss->grad->data[0] = 1.0;
    tape_backward(g_tape);
    adam_step(adam);
    average = iter == 0 ? loss->data->data[0] : 0.95 * average + 0.05 * loss->data->data[0];
    if (iter % 50 == 0) printf("iter %d, loss %.4f\n", iter, average);
    autograd_reset_iteration();
  }
  adam_free(adam);
  unmake(&model);
  autograd_v2_cleanup();
  if (iterations >= 300 && !(average < 0.8)) {
    fprintf(stderr, "not learnt: loss %g\n", average);
    return 1;
  }
  return 0;
}
