#define _GNU_SOURCE
#include "CAutogradSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

void csystem_spin_hint(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#if defined(__linux__)

void csystem_wait(const uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void csystem_wake(const uint32_t *word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

int csystem_allowed_cpus(int *cpus, int capacity) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
  int found = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &set)) continue;
    if (found < capacity) cpus[found] = cpu;
    found++;
  }
  return found;
}

int csystem_current_cpu(void) { return sched_getcpu(); }

int csystem_pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

#else

void csystem_wait(const uint32_t *word, uint32_t expected) {
  struct timespec pause = {0, 50000};
  if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == expected) nanosleep(&pause, NULL);
}

void csystem_wake(const uint32_t *word, int count) { (void)word; (void)count; }

int csystem_allowed_cpus(int *cpus, int capacity) {
  int count = (int)sysconf(_SC_NPROCESSORS_ONLN);
  for (int cpu = 0; cpu < count && cpu < capacity; cpu++) cpus[cpu] = cpu;
  return count;
}

int csystem_current_cpu(void) { return -1; }
int csystem_pin_to_cpu(int cpu) { (void)cpu; return -1; }

#endif

int csystem_online_cpus(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }

uintptr_t csystem_thread(void) { return (uintptr_t)pthread_self(); }

uint64_t csystem_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void *csystem_map(size_t bytes, int huge) {
  void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return NULL;
#if defined(MADV_HUGEPAGE)
  if (huge) madvise(address, bytes, MADV_HUGEPAGE);
#else
  (void)huge;
#endif
  return address;
}

void csystem_unmap(void *address, size_t bytes) { munmap(address, bytes); }

void csystem_touch(void *address, size_t bytes) {
  // No page is smaller than this on any system.
  for (size_t offset = 0; offset < bytes; offset += 4096) {
    volatile char *byte = (volatile char *)address + offset;
    *byte = *byte;
  }
}

void *csystem_allocate(size_t bytes, size_t alignment) {
  void *address = NULL;
  if (alignment < sizeof(void *)) alignment = sizeof(void *);
  return posix_memalign(&address, alignment, bytes > 0 ? bytes : 1) == 0 ? address : NULL;
}

void csystem_trim_heap(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void csystem_free(void *address) { free(address); }

#if defined(__linux__)
__attribute__((weak)) void __lsan_register_root_region(const void *, size_t);
__attribute__((weak)) void __lsan_unregister_root_region(const void *, size_t);

void csystem_add_root(const void *start, size_t bytes) {
  if (__lsan_register_root_region) __lsan_register_root_region(start, bytes);
}

void csystem_remove_root(const void *start, size_t bytes) {
  if (__lsan_unregister_root_region) __lsan_unregister_root_region(start, bytes);
}

__attribute__((weak)) void __asan_poison_memory_region(void const volatile *, size_t);
__attribute__((weak)) void __asan_unpoison_memory_region(void const volatile *, size_t);

void csystem_poison(const void *start, size_t bytes) {
  if (__asan_poison_memory_region) __asan_poison_memory_region(start, bytes);
}

void csystem_unpoison(const void *start, size_t bytes) {
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(start, bytes);
}
#else
void csystem_add_root(const void *start, size_t bytes) { (void)start; (void)bytes; }
void csystem_remove_root(const void *start, size_t bytes) { (void)start; (void)bytes; }
void csystem_poison(const void *start, size_t bytes) { (void)start; (void)bytes; }
void csystem_unpoison(const void *start, size_t bytes) { (void)start; (void)bytes; }
#endif

#if defined(__aarch64__)
// Rounding mode, flushing to zero, default NaN and traps; the flags stand in another register.
#define FLOAT_MODES 0x03C89F00u

static void write_float_state(uint64_t state) { __asm__ volatile("msr fpcr, %0" : : "r"(state)); }
#endif

uint32_t csystem_enter_float_state(void) {
#if defined(__x86_64__)
  // Every exception masked, nearest, no flush to zero; the low six bits are flags, not modes. Writing is slow,
  // reading is not.
  uint32_t before = _mm_getcsr();
  if ((before & 0xFFC0) != 0x1F80) _mm_setcsr(0x1F80);
  return before;
#elif defined(__aarch64__)
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  if (before & FLOAT_MODES) write_float_state(before & ~(uint64_t)FLOAT_MODES);
  return (uint32_t)before;
#else
  return 0;
#endif
}

void csystem_restore_float_state(uint32_t state) {
#if defined(__x86_64__)
  if ((state & 0xFFC0) != 0x1F80) _mm_setcsr(state);
#elif defined(__aarch64__)
  if (state & FLOAT_MODES) write_float_state(state);
#else
  (void)state;
#endif
}

void csystem_at_fork_child(void (*child)(void)) { pthread_atfork(NULL, NULL, child); }

// Signals. The handler only notes the first one; a second takes its usual effect at once.

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};
static const int writing_signals[] = {SIGPIPE, SIGXFSZ};
static volatile sig_atomic_t noted_signal;

static void take_usual_effect(int signal_number) {
  struct sigaction usual = {.sa_handler = SIG_DFL};
  sigemptyset(&usual.sa_mask);
  sigaction(signal_number, &usual, NULL);
}

static void note_signal(int signal_number) {
  if (noted_signal == 0) {
    noted_signal = signal_number;
  } else {
    take_usual_effect(signal_number);
    raise(signal_number);  // blocked until this handler returns
  }
}

void csystem_watch_signals(void) {
  struct sigaction note = {.sa_handler = note_signal, .sa_flags = SA_RESTART}, before;
  sigset_t unblocked;
  sigemptyset(&note.sa_mask);
  sigemptyset(&unblocked);
  for (size_t index = 0; index < sizeof ending_signals / sizeof *ending_signals; index++) {
    // What the parent has told this process to ignore, as nohup does, stays ignored.
    if (sigaction(ending_signals[index], NULL, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    sigaction(ending_signals[index], &note, NULL);
    sigaddset(&unblocked, ending_signals[index]);
  }
  // A parent that starts programs from a thread which blocks signals hands that on.
  pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigemptyset(&ignore.sa_mask);
  for (size_t index = 0; index < sizeof writing_signals / sizeof *writing_signals; index++)
    sigaction(writing_signals[index], &ignore, NULL);
}

int csystem_noted_signal(void) { return noted_signal; }

void csystem_unwatch_signals(void) {
  struct sigaction before;
  for (size_t index = 0; index < sizeof ending_signals / sizeof *ending_signals; index++) {
    if (sigaction(ending_signals[index], NULL, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    take_usual_effect(ending_signals[index]);
  }
}

static volatile sig_atomic_t interrupt_count;
// A byte in the pipe stands for SIGINTs that nobody was told of: what waits for input waits for it, too, so that none is
// missed between a look at the counter and the wait.
static int interrupt_pipe[2] = {-1, -1};

static void count_interrupt(int signal_number) {
  (void)signal_number;
  const int before = errno;
  interrupt_count = interrupt_count + 1;
  if (write(interrupt_pipe[1], "", 1) < 0) {
    // A full pipe says as much as one more byte would.
  }
  errno = before;
}

int csystem_count_interrupts(void) {
  if (interrupt_pipe[0] >= 0) return 1;
  if (pipe(interrupt_pipe) != 0) return 0;
  for (int end = 0; end < 2; end++) {
    fcntl(interrupt_pipe[end], F_SETFD, FD_CLOEXEC);
    fcntl(interrupt_pipe[end], F_SETFL, O_NONBLOCK);
  }
  struct sigaction count = {.sa_handler = count_interrupt, .sa_flags = SA_RESTART}, before;
  sigset_t unblocked;
  sigemptyset(&count.sa_mask);
  sigemptyset(&unblocked);
  if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler == SIG_IGN) return 1;
  sigaction(SIGINT, &count, NULL);
  sigaddset(&unblocked, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
  return 1;
}

uint32_t csystem_interrupt_count(void) { return (uint32_t)interrupt_count; }

void csystem_forget_interrupts(void) {
  char told[64];
  while (read(interrupt_pipe[0], told, sizeof told) > 0) {
  }
}

int csystem_wait_for_input(int descriptor) {
  struct pollfd watched[2] = {{.fd = descriptor, .events = POLLIN}, {.fd = interrupt_pipe[0], .events = POLLIN}};
  for (;;) {
    const int count = poll(watched, 2, -1);
    if (count < 0 && errno != EINTR) return 1;
    if (count <= 0) continue;
    if (watched[1].revents == 0) return 1;
    csystem_forget_interrupts();
    return 0;
  }
}

void csystem_end_by_signal(int signal_number) {
  take_usual_effect(signal_number);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal_number);
  pthread_sigmask(SIG_UNBLOCK, &only, NULL);
  raise(signal_number);
}

int csystem_open_standard_streams(void) {
  int closed = 0;
  for (int descriptor = 0; descriptor <= 2; descriptor++) {
    if (fcntl(descriptor, F_GETFD) != -1) continue;
    closed |= 1 << descriptor;
    // The lowest free number is this one: those below are open by now.
    if (open("/dev/null", O_RDWR) != descriptor) break;
  }
  return closed;
}
