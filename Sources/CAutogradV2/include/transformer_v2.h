/* A decoder-only transformer: learned positions, pre-norm blocks, causal attention, ReLU feed-forward, a head of its
 * own. Also its layers one by one. The rules are those of autograd_v2.h.
 *
 * Members are live: exchange a layer, freeze a weight (`requires_grad = false`), fill weights by hand.
 * Axes: T tokens, C = d_model, F = d_ff, V vocabulary; x may also be [B, T, C]. */
#ifndef AUTOGRAD_V2_TRANSFORMER_H
#define AUTOGRAD_V2_TRANSFORMER_H

#include "autograd_v2.h"

AUTOGRAD_BEGIN

typedef struct LayerNormV2 { VariableV2 *gamma; VariableV2 *beta; int size; double eps; } LayerNormV2;

typedef struct MultiHeadAttention {
  Linear *q_proj, *k_proj, *v_proj, *out_proj;
  int n_heads, d_model, d_head;
  double scale;
} MultiHeadAttention;

typedef struct FeedForward { Linear *fc1, *fc2; int d_model, d_ff; } FeedForward;

typedef struct TransformerBlock {
  MultiHeadAttention *attn;
  LayerNormV2 *ln1, *ln2;
  FeedForward *ff;
} TransformerBlock;

typedef struct TransformerV2 {
  VariableV2 *token_embed; /* [V, C] */
  VariableV2 *pos_embed;   /* [max_seq_len, C] */
  TransformerBlock **blocks;
  int n_layers;
  LayerNormV2 *ln_final;
  Linear *lm_head;
  int vocab_size, d_model, n_heads, d_ff, max_seq_len;
} TransformerV2;

AUTOGRAD_API LayerNormV2 *layer_norm_create(int size);
AUTOGRAD_API VariableV2 *layer_norm_forward(LayerNormV2 *layer, VariableV2 *x);
AUTOGRAD_API void layer_norm_free(LayerNormV2 *layer);

AUTOGRAD_API MultiHeadAttention *mha_create(int d_model, int n_heads);
AUTOGRAD_API VariableV2 *mha_forward(MultiHeadAttention *layer, VariableV2 *x);
AUTOGRAD_API void mha_free(MultiHeadAttention *layer);

AUTOGRAD_API FeedForward *ff_create(int d_model, int d_ff);
AUTOGRAD_API VariableV2 *ff_forward(FeedForward *layer, VariableV2 *x);
AUTOGRAD_API void ff_free(FeedForward *layer);

AUTOGRAD_API TransformerBlock *block_create(int d_model, int n_heads, int d_ff);
AUTOGRAD_API VariableV2 *block_forward(TransformerBlock *block, VariableV2 *x);
AUTOGRAD_API void block_free(TransformerBlock *block);

AUTOGRAD_API TransformerV2 *transformer_create(
    int vocab_size, int d_model, int n_heads, int n_layers, int d_ff, int max_seq_len);
AUTOGRAD_API void transformer_free(TransformerV2 *model);

/* Logits [seq_len, V]; row i depends on tokens 0…i only. */
AUTOGRAD_API VariableV2 *transformer_forward(TransformerV2 *model, const int *tokens, int seq_len);
/* Logits [batch, seq_len, V] of `batch` sequences that stand one after the other. */
AUTOGRAD_API VariableV2 *transformer_forward_batch(
    TransformerV2 *model, const int *tokens, int batch, int seq_len);

/* Every parameter, in an array from malloc that the caller frees: token_embed, pos_embed, per block ln1 γ β, ln2 γ β,
 * q, k, v, out, fc1, fc2 (weight and bias each), then ln_final γ β, lm_head weight and bias. */
AUTOGRAD_API int transformer_get_params(TransformerV2 *model, VariableV2 ***params, int *count);

AUTOGRAD_END

#endif
