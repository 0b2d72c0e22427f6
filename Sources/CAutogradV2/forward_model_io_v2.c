/* Made by Scripts/make_forwarders.py: do not edit. */
#include "autograd_v2_impl.h"

AUTOGRAD_WEAK int transformer_save(TransformerV2 *model, const char *path) {
  return autograd_v2_impl_transformer_save(model, path);
}

AUTOGRAD_WEAK int transformer_load(TransformerV2 *model, const char *path) {
  return autograd_v2_impl_transformer_load(model, path);
}

AUTOGRAD_WEAK int checkpoint_save(TransformerV2 *model, AdamOptimizerV2 *adam, int iteration, double loss, const char *path) {
  return autograd_v2_impl_checkpoint_save(model, adam, iteration, loss, path);
}

AUTOGRAD_WEAK int checkpoint_load(TransformerV2 **model, AdamOptimizerV2 **adam, int *iteration, double *loss, const char *path) {
  return autograd_v2_impl_checkpoint_load(model, adam, iteration, loss, path);
}
