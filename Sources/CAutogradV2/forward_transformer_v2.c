/* Made by Scripts/make_forwarders.py: do not edit. */
#include "autograd_v2_impl.h"

AUTOGRAD_WEAK LayerNormV2 *layer_norm_create(int size) {
  return autograd_v2_impl_layer_norm_create(size);
}

AUTOGRAD_WEAK VariableV2 *layer_norm_forward(LayerNormV2 *layer, VariableV2 *x) {
  return autograd_v2_impl_layer_norm_forward(layer, x);
}

AUTOGRAD_WEAK void layer_norm_free(LayerNormV2 *layer) {
  autograd_v2_impl_layer_norm_free(layer);
}

AUTOGRAD_WEAK MultiHeadAttention *mha_create(int d_model, int n_heads) {
  return autograd_v2_impl_mha_create(d_model, n_heads);
}

AUTOGRAD_WEAK VariableV2 *mha_forward(MultiHeadAttention *layer, VariableV2 *x) {
  return autograd_v2_impl_mha_forward(layer, x);
}

AUTOGRAD_WEAK void mha_free(MultiHeadAttention *layer) {
  autograd_v2_impl_mha_free(layer);
}

AUTOGRAD_WEAK FeedForward *ff_create(int d_model, int d_ff) {
  return autograd_v2_impl_ff_create(d_model, d_ff);
}

AUTOGRAD_WEAK VariableV2 *ff_forward(FeedForward *layer, VariableV2 *x) {
  return autograd_v2_impl_ff_forward(layer, x);
}

AUTOGRAD_WEAK void ff_free(FeedForward *layer) {
  autograd_v2_impl_ff_free(layer);
}

AUTOGRAD_WEAK TransformerBlock *block_create(int d_model, int n_heads, int d_ff) {
  return autograd_v2_impl_block_create(d_model, n_heads, d_ff);
}

AUTOGRAD_WEAK VariableV2 *block_forward(TransformerBlock *block, VariableV2 *x) {
  return autograd_v2_impl_block_forward(block, x);
}

AUTOGRAD_WEAK void block_free(TransformerBlock *block) {
  autograd_v2_impl_block_free(block);
}

AUTOGRAD_WEAK TransformerV2 *transformer_create(int vocab_size, int d_model, int n_heads, int n_layers, int d_ff, int max_seq_len) {
  return autograd_v2_impl_transformer_create(vocab_size, d_model, n_heads, n_layers, d_ff, max_seq_len);
}

AUTOGRAD_WEAK void transformer_free(TransformerV2 *model) {
  autograd_v2_impl_transformer_free(model);
}

AUTOGRAD_WEAK VariableV2 *transformer_forward(TransformerV2 *model, const int *tokens, int seq_len) {
  return autograd_v2_impl_transformer_forward(model, tokens, seq_len);
}

AUTOGRAD_WEAK VariableV2 *transformer_forward_batch(TransformerV2 *model, const int *tokens, int batch, int seq_len) {
  return autograd_v2_impl_transformer_forward_batch(model, tokens, batch, seq_len);
}

AUTOGRAD_WEAK int transformer_get_params(TransformerV2 *model, VariableV2 ***params, int *count) {
  return autograd_v2_impl_transformer_get_params(model, params, count);
}
