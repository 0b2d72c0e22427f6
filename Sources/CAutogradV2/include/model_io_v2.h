/* Models and checkpoints in files. The rules are those of autograd_v2.h.
 *
 * Files are safetensors, float64. A file is replaced in one moment and is on the disk when the call returns; loading
 * is all or nothing. All return 0, or -1 with a sentence in autograd_last_error(). */
#ifndef AUTOGRAD_V2_MODEL_IO_H
#define AUTOGRAD_V2_MODEL_IO_H

#include "transformer_v2.h"

AUTOGRAD_BEGIN

AUTOGRAD_API int transformer_save(TransformerV2 *model, const char *path);
/* Into a model of the same sizes. */
AUTOGRAD_API int transformer_load(TransformerV2 *model, const char *path);

/* Weights, both moments of Adam, step counts, seed and random counters: a resumed run equals an uninterrupted one.
 * `adam` may be NULL. */
AUTOGRAD_API int checkpoint_save(
    TransformerV2 *model, AdamOptimizerV2 *adam, int iteration, double loss, const char *path);
/* Makes model and optimiser anew (the caller frees them); each out-parameter may be NULL. */
AUTOGRAD_API int checkpoint_load(
    TransformerV2 **model, AdamOptimizerV2 **adam, int *iteration, double *loss, const char *path);

AUTOGRAD_END

#endif
