#define _GNU_SOURCE
#include "CAutogradTestSupport.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_OWN_ALLOCATOR 1
#endif
#endif

#if defined(__GLIBC__) && !defined(HAS_OWN_ALLOCATOR)

// Strong definitions take the place of the C library's, and forward to it. Counting must not allocate: plain
// thread-local storage of the executable does not.
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static _Thread_local long thread_count;
static atomic_long all_count;

static void count(void) {
  thread_count++;
  atomic_fetch_add_explicit(&all_count, 1, memory_order_relaxed);
}

void *malloc(size_t size) { count(); return __libc_malloc(size); }
void *calloc(size_t items, size_t size) { count(); return __libc_calloc(items, size); }
void *realloc(void *block, size_t size) { count(); return __libc_realloc(block, size); }
void *memalign(size_t alignment, size_t size) { count(); return __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { count(); return __libc_memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
  count();
  *block = __libc_memalign(alignment, size);
  return *block ? 0 : ENOMEM;
}

static _Thread_local long mappings, first_to_fail, last_to_fail;
static _Thread_local int has_failed;
static _Thread_local long mapped_bytes;

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
  mappings++;
  if (mappings >= first_to_fail && mappings <= last_to_fail) {
    has_failed = 1;
    errno = ENOMEM;
    return MAP_FAILED;
  }
  void *start = (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
  if (start != MAP_FAILED) mapped_bytes += (long)length;
  return start;
}

int munmap(void *address, size_t length) {
  const int result = (int)syscall(SYS_munmap, address, length);
  if (result == 0) mapped_bytes -= (long)length;
  return result;
}

void ctest_fail_mappings(long number, long count) {
  first_to_fail = mappings + number;
  last_to_fail = first_to_fail + count - 1;
  has_failed = 0;
}

int ctest_mapping_failed(void) { return has_failed; }
long ctest_thread_mappings(void) { return mappings; }
long ctest_thread_mapped_bytes(void) { return mapped_bytes; }

int ctest_counts_allocations(void) { return 1; }
long ctest_thread_allocations(void) { return thread_count; }
long ctest_all_allocations(void) { return atomic_load_explicit(&all_count, memory_order_relaxed); }

#else

void ctest_fail_mappings(long number, long count) { (void)number; (void)count; }
int ctest_mapping_failed(void) { return 0; }
long ctest_thread_mappings(void) { return 0; }
long ctest_thread_mapped_bytes(void) { return 0; }
int ctest_counts_allocations(void) { return 0; }
long ctest_thread_allocations(void) { return 0; }
long ctest_all_allocations(void) { return 0; }

#endif
