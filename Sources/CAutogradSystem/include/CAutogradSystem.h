// System calls that Swift cannot reach by itself: futex, thread affinity, spin hints, memory advice, signal handlers.
#ifndef AUTOGRAD_CSYSTEM_H
#define AUTOGRAD_CSYSTEM_H

#include <stddef.h>
#include <stdint.h>

/// Tells the CPU that this is a spin loop.
void csystem_spin_hint(void);

/// Sleeps while *word equals `expected`. May return early.
void csystem_wait(const uint32_t *_Nonnull word, uint32_t expected);

/// Wakes up to `count` sleepers of `word`.
void csystem_wake(const uint32_t *_Nonnull word, int count);

/// Writes the CPUs that this process may use, ascending, into `cpus`; returns how many there are in all.
int csystem_allowed_cpus(int *_Nonnull cpus, int capacity);

/// CPUs that are running, whoever may use them.
int csystem_online_cpus(void);

/// The CPU that the calling thread runs on, or −1.
int csystem_current_cpu(void);

/// Keeps the calling thread on one CPU; 0 where that worked.
int csystem_pin_to_cpu(int cpu);

/// A number that names the calling thread as long as it lives.
uintptr_t csystem_thread(void);

/// Monotonic time in nanoseconds.
uint64_t csystem_nanoseconds(void);

/// Maps zeroed memory, page aligned, huge pages advised where `huge`; NULL where the system has none.
void *_Nullable csystem_map(size_t bytes, int huge);
void csystem_unmap(void *_Nonnull address, size_t bytes);

/// Writes to every page of memory what stands there: afterwards all of it is resident.
void csystem_touch(void *_Nonnull address, size_t bytes);

/// Takes memory from the heap, aligned, of undefined content; NULL where there is none.
void *_Nullable csystem_allocate(size_t bytes, size_t alignment);
void csystem_free(void *_Nullable address);

/// Gives memory that the heap holds and nobody uses back to the system, where the C library can.
void csystem_trim_heap(void);

/// Forbids or allows touching memory where the program runs under AddressSanitizer; otherwise does nothing.
void csystem_poison(const void *_Nonnull start, size_t bytes);
void csystem_unpoison(const void *_Nonnull start, size_t bytes);

/// Tells LeakSanitizer, where the program runs under it, that what this memory points at is not lost.
void csystem_add_root(const void *_Nonnull start, size_t bytes);
void csystem_remove_root(const void *_Nonnull start, size_t bytes);

/// Rounds toward nearest, denormals kept: sets the floating-point state that all kernels assume and returns the
/// state before, for csystem_restore_float_state.
uint32_t csystem_enter_float_state(void);
void csystem_restore_float_state(uint32_t state);

/// Calls `child` in the child process after every fork.
void csystem_at_fork_child(void (*_Nonnull child)(void));

/// From now on the first SIGINT, SIGTERM or SIGHUP is noted and has no other effect; a second ends the process at once.
/// Signals that the process was started to ignore stay ignored; blocked ones are unblocked for this thread. Writing to a
/// closed pipe, or beyond the largest size of a file, becomes an error of the call instead of the end of the process.
void csystem_watch_signals(void);

/// The signal that was noted, or 0.
int csystem_noted_signal(void);

/// Gives SIGINT, SIGTERM and SIGHUP their usual effect back.
void csystem_unwatch_signals(void);

/// From now on SIGINT is counted and has no other effect; unless the process was started to ignore it. Returns 0 where the
/// system refuses the pipe that this takes.
int csystem_count_interrupts(void);

/// How often SIGINT came since it is counted.
uint32_t csystem_interrupt_count(void);

/// Waits until a descriptor can be read or SIGINT is counted, and no earlier SIGINT is left to be told of. Returns 1 where
/// the descriptor can be read, or says so itself by its next call, and 0 after SIGINT, once for all that came by then.
int csystem_wait_for_input(int descriptor);

/// Leaves no SIGINT to be told of: one came, and somebody has acted upon it.
void csystem_forget_interrupts(void);

/// Ends the process as an uncaught signal does.
void csystem_end_by_signal(int signal_number);

/// Opens /dev/null for those of descriptors 0, 1 and 2 that are closed, so that no file that is opened later gets the
/// number of a standard stream, and what is meant for that. Returns which were closed: bit n for descriptor n.
int csystem_open_standard_streams(void);

/// The arguments that the process was started with, the program's name first, as the system's start-up code hands them
/// over; 0 where it does not. /proc, from which Swift reads them, may be missing.
int csystem_argument_count(void);
const char *_Nonnull csystem_argument(int index);

#include "CAutogradText.h"
#include "CAutogradSHA256.h"

#endif
