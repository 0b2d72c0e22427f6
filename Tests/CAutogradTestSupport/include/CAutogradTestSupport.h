// Counts heap allocations and mappings of the test process, and makes mappings fail.
#ifndef CTEST_SUPPORT_H
#define CTEST_SUPPORT_H

/// Whether this build counts: not under the sanitizers, which bring an allocator of their own.
int ctest_counts_allocations(void);

/// Allocations by the calling thread so far.
long ctest_thread_allocations(void);

/// Allocations by all threads so far.
long ctest_all_allocations(void);

/// Lets `count` of the calling thread's mappings fail, from that of this number on, counted from 1; a count of 0 none.
void ctest_fail_mappings(long number, long count);

/// Whether one failed since then.
int ctest_mapping_failed(void);

/// Mappings by the calling thread so far, as the library makes them; what the C library maps for itself is not counted.
long ctest_thread_mappings(void);

/// Bytes that the calling thread mapped so and did not unmap.
long ctest_thread_mapped_bytes(void);

#endif
