/* The heap of the Swift runtime inside the C library (Scripts/c_library/build.sh points the runtime here).
 *
 * The runtime stops the process where malloc returns NULL, which a C library must not do. So its small objects come
 * from a region of addresses that is reserved once, where no later call can be refused, and large ones do when malloc
 * refuses. What programs free themselves never comes from here. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HEADER = 16, CLASSES = 26, LARGEST_SMALL = 32768 };

/* Before every block: its class, as the logarithm of its size with header. */
typedef struct Block { struct Block *next; } Block;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uintptr_t begin, used, end;
static Block *free_blocks[CLASSES];

static void lock(void) { pthread_mutex_lock(&mutex); }
static void unlock(void) { pthread_mutex_unlock(&mutex); }

static void reserve(void) {
  for (size_t bytes = (size_t)1 << 30; bytes >= (size_t)1 << 22 && !begin; bytes >>= 1) {
    void *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) continue;
    begin = used = (uintptr_t)region;
    end = begin + bytes;
  }
  pthread_atfork(lock, unlock, unlock);
}

static int is_ours(const void *pointer) { return (uintptr_t)pointer - begin < end - begin; }

static int class_of(const void *pointer) { return (int)*((const uint64_t *)pointer - 2); }

static int class_for(size_t size) {
  int class = 5;
  while (((size_t)1 << class) < size + HEADER) class++;
  return class;
}

/* A block from the region; NULL where it is used up. */
static void *take(size_t size) {
  if (size > (size_t)1 << (CLASSES - 2)) return NULL;
  int class = class_for(size);
  lock();
  char *block = (char *)free_blocks[class];
  if (block) {
    free_blocks[class] = ((Block *)(block + HEADER))->next;
  } else if (used + ((uintptr_t)1 << class) <= end) {
    block = (char *)used;
    used += (uintptr_t)1 << class;
  }
  unlock();
  if (!block) return NULL;
  *(uint64_t *)block = (uint64_t)class;
  return block + HEADER;
}

void *autograd_v2_heap_malloc(size_t size) {
  pthread_once(&once, reserve);
  void *block = size <= LARGEST_SMALL ? take(size) : NULL;
  if (!block) block = malloc(size);
  return block ? block : take(size);
}

void autograd_v2_heap_free(void *pointer) {
  if (!pointer) return;
  if (!is_ours(pointer)) {
    free(pointer);
    return;
  }
  int class = class_of(pointer);
  lock();
  Block *block = (Block *)((char *)pointer - HEADER);
  ((Block *)pointer)->next = free_blocks[class];
  free_blocks[class] = block;
  unlock();
}

size_t autograd_v2_heap_malloc_usable_size(void *pointer) {
  if (!pointer) return 0;
  return is_ours(pointer) ? ((size_t)1 << class_of(pointer)) - HEADER : malloc_usable_size(pointer);
}

void *autograd_v2_heap_calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  void *block = autograd_v2_heap_malloc(bytes);
  return block ? memset(block, 0, bytes) : NULL;
}

void *autograd_v2_heap_realloc(void *pointer, size_t size) {
  if (!pointer) return autograd_v2_heap_malloc(size);
  size_t before = autograd_v2_heap_malloc_usable_size(pointer);
  if (is_ours(pointer) && size <= before) return pointer;
  void *block = autograd_v2_heap_malloc(size);
  if (!block) return NULL;
  memcpy(block, pointer, size < before ? size : before);
  autograd_v2_heap_free(pointer);
  return block;
}

int autograd_v2_heap_posix_memalign(void **result, size_t alignment, size_t size) {
  if (alignment <= HEADER) return (*result = autograd_v2_heap_malloc(size)) ? 0 : ENOMEM;
  int failed = posix_memalign(result, alignment, size);
  if (!failed || size > (size_t)1 << (CLASSES - 3) || alignment > 4096) return failed;
  /* A block with room to align a block in; what lies before that is lost. */
  int class = class_for(size);
  char *block = take(((size_t)1 << class) + alignment);
  if (!block) return ENOMEM;
  char *aligned = (char *)(((uintptr_t)block + HEADER + alignment - 1) & ~(uintptr_t)(alignment - 1));
  ((uint64_t *)aligned)[-2] = (uint64_t)class;
  *result = aligned;
  return 0;
}

char *autograd_v2_heap_strdup(const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = autograd_v2_heap_malloc(bytes);
  return copy ? memcpy(copy, text, bytes) : NULL;
}
