// Counts heap allocations of the test process.
#ifndef CTEST_SUPPORT_H
#define CTEST_SUPPORT_H

/// Whether this build counts: not under the sanitizers, which bring an allocator of their own.
int ctest_counts_allocations(void);

/// Allocations by the calling thread so far.
long ctest_thread_allocations(void);

/// Allocations by all threads so far.
long ctest_all_allocations(void);

#endif
