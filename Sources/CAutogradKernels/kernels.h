// All kernels for one element type and one instruction set. The including file defines TABLE (the table's name) and
// what element.h wants. Everything here is static; only the table at the end is visible.

#include "element.h"
#include "bodies/total.h"
#include "bodies/elementwise.h"
#include "bodies/strided.h"
#include "bodies/softmax_row.h"
#include "bodies/update.h"
#include "bodies/rows.h"
#include "bodies/extremum.h"
#include "bodies/log_softmax.h"
#include "bodies/gather.h"
#include "bodies/pair_loss.h"
#include "bodies/gate.h"
#include "bodies/gemm.h"
#include "bodies/attention.h"
#include "bodies/attention_backward.h"
#include "bodies/attention_cached.h"
#include "bodies/optimizer.h"
#include "bodies/adam.h"
#include "bodies/gradient_descent.h"
#if REAL_BITS == 32
#include "bodies/weights.h"
#include "bodies/weight_integers.h"
#include "bodies/weight_table.h"
#endif

extern const ck_table TABLE;
const ck_table TABLE = {
  .mr = MR, .nr = NR,
  .unary = unary, .unary_backward = unary_backward, .affine = affine, .fill = fill, .dropout = dropout,
  .binary = binary, .strided_copy = strided_copy, .sum = sum,
  .softmax = softmax, .softmax_backward = softmax_backward,
  .layer_norm = layer_norm, .layer_norm_backward = layer_norm_backward,
  .embedding = embedding, .embedding_backward = embedding_backward, .cross_entropy = cross_entropy,
  .clip = clip, .clip_backward = clip_backward, .strided_write = strided_write,
  .extremum = extremum, .extremum_backward = extremum_backward,
  .log_softmax = log_softmax, .log_softmax_backward = log_softmax_backward,
  .log_sum_exp = log_sum_exp, .log_sum_exp_backward = log_sum_exp_backward,
  .gather = gather, .gather_backward = gather_backward,
  .pair_loss = pair_loss, .pair_loss_backward = pair_loss_backward,
  .rms_norm = rms_norm, .rms_norm_backward = rms_norm_backward, .gate = gate, .gate_backward = gate_backward,
  .gemm_pack = gemm_pack, .gemm = gemm, .attention = attention, .attention_backward = attention_backward,
  .cache_append = cache_append, .cached_attention = cached_attention,
  .norm = norm, .update = update,
  .updates = {[CK_UPDATE_ADAM] = adam_update, [CK_UPDATE_DESCENT] = descent_update,
              [CK_UPDATE_MOMENTUM] = momentum_update},
#if REAL_BITS == 32
  .weight_rows = weight_rows, .weight_integers = weight_integers, .weight_embedding = weight_embedding,
  .quantize = quantize,
#endif
};
