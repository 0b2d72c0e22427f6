/* What every header of the library needs: linkage, and the types that they share. Included by them. */
#ifndef AUTOGRAD_V2_BASE_H
#define AUTOGRAD_V2_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define AUTOGRAD_API __attribute__((visibility("default"))) extern
#define AUTOGRAD_THREAD __extension__ extern __thread __attribute__((visibility("default")))
#else
#define AUTOGRAD_API extern
#define AUTOGRAD_THREAD extern _Thread_local
#endif

#ifdef __cplusplus
#define AUTOGRAD_BEGIN extern "C" {
#define AUTOGRAD_END }
#else
#define AUTOGRAD_BEGIN
#define AUTOGRAD_END
#endif

AUTOGRAD_BEGIN
typedef struct TensorV2 TensorV2;
typedef struct VariableV2 VariableV2;
typedef struct TapeV2 TapeV2;
typedef struct Arena Arena;
typedef struct ArenaChunk ArenaChunk;
typedef struct AutogradContext AutogradContext;
AUTOGRAD_END

#endif
