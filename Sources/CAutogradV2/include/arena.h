/* Arenas: memory that is given back all at once.
 *
 * Rules
 * - Blocks are aligned to 64 bytes, are never freed one by one, and end with the arena's next reset.
 * - `global_arena` is the arena of the calling thread's context: temporary tensors live in it, and
 *   autograd_reset_iteration() empties it. It may also serve for the contexts of custom operations.
 * - A failing call returns NULL or 0 and reports through autograd_last_error() (autograd_v2.h).
 * - One thread at a time uses an arena. */
#ifndef AUTOGRAD_V2_ARENA_H
#define AUTOGRAD_V2_ARENA_H

#include "autograd_v2_base.h"

AUTOGRAD_BEGIN

/* The arena of the calling thread's context; NULL before the thread's first call. */
AUTOGRAD_THREAD Arena *global_arena;

/* An arena of its own, `initial_size` bytes mapped at once; it grows as needed. Destroy it with arena_destroy. */
AUTOGRAD_API Arena *arena_create(size_t initial_size);
AUTOGRAD_API void arena_destroy(Arena *arena);

/* A block of undefined content; 0 bytes give a block, too. NULL where memory or the limit ends. */
AUTOGRAD_API void *arena_alloc(Arena *arena, size_t size);
/* A zeroed block of count × size bytes; an overflow of the product is an error. */
AUTOGRAD_API void *arena_calloc(Arena *arena, size_t count, size_t size);

/* Voids all blocks and keeps the memory. On `global_arena` it is autograd_reset_iteration(). */
AUTOGRAD_API void arena_reset(Arena *arena);
/* The same, and gives the memory back to the system. */
AUTOGRAD_API void arena_reset_aggressive(Arena *arena);

/* Bytes in blocks, and bytes mapped from the system. */
AUTOGRAD_API size_t arena_get_used(const Arena *arena);
AUTOGRAD_API size_t arena_get_allocated(const Arena *arena);

/* Opens the calling thread's context where it is not open; gives its arena's memory back. */
AUTOGRAD_API void arena_init_global(void);
AUTOGRAD_API void arena_cleanup_global(void);

AUTOGRAD_END

#endif
