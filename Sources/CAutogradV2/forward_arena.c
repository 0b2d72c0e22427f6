/* Made by Scripts/make_forwarders.py: do not edit. */
#include "autograd_v2_impl.h"

AUTOGRAD_WEAK Arena *arena_create(size_t initial_size) {
  return autograd_v2_impl_arena_create(initial_size);
}

AUTOGRAD_WEAK void arena_destroy(Arena *arena) {
  autograd_v2_impl_arena_destroy(arena);
}

AUTOGRAD_WEAK void *arena_alloc(Arena *arena, size_t size) {
  return autograd_v2_impl_arena_alloc(arena, size);
}

AUTOGRAD_WEAK void *arena_calloc(Arena *arena, size_t count, size_t size) {
  return autograd_v2_impl_arena_calloc(arena, count, size);
}

AUTOGRAD_WEAK void arena_reset(Arena *arena) {
  autograd_v2_impl_arena_reset(arena);
}

AUTOGRAD_WEAK void arena_reset_aggressive(Arena *arena) {
  autograd_v2_impl_arena_reset_aggressive(arena);
}

AUTOGRAD_WEAK size_t arena_get_used(const Arena *arena) {
  return autograd_v2_impl_arena_get_used(arena);
}

AUTOGRAD_WEAK size_t arena_get_allocated(const Arena *arena) {
  return autograd_v2_impl_arena_get_allocated(arena);
}

AUTOGRAD_WEAK void arena_init_global(void) {
  autograd_v2_impl_arena_init_global();
}

AUTOGRAD_WEAK void arena_cleanup_global(void) {
  autograd_v2_impl_arena_cleanup_global();
}
