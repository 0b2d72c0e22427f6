// CAutogradSystem without Swift: SHA-256's rounds against published digests, waiting and waking, memory, CPUs.
#define _GNU_SOURCE
#include "CAutogradSHA256.h"
#include "CAutogradSystem.h"

#include <fenv.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int checks, failures;

static void expect(bool holds, const char *what) {
  checks++;
  if (holds) return;
  failures++;
  printf("not so: %s\n", what);
}

// ---------------------------------------------------------------------------------------------------------
// SHA-256

typedef void (*rounds)(uint32_t *state, const uint8_t *data, size_t count);

// The digest of a message in hexadecimal: FIPS 180-4, section 5.1.1, pads it.
static void digest(rounds rounds, const uint8_t *message, size_t count, char *text) {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const size_t blocks = (count + 8) / 64 + 1;
  uint8_t *padded = calloc(blocks, 64);
  memcpy(padded, message, count);
  padded[count] = 0x80;
  for (int byte = 0; byte < 8; byte++) padded[blocks * 64 - 1 - (size_t)byte] = (uint8_t)((uint64_t)count * 8 >> 8
      * byte);
  rounds(state, padded, blocks);
  free(padded);
  for (int word = 0; word < 8; word++) sprintf(text + 8 * word, "%08" PRIx32, state[word]);
}

static void expect_digest(const uint8_t *message, size_t count, const char *want, const char *what) {
  char text[65];
  digest(csystem_sha256_blocks, message, count, text);
  expect(strcmp(text, want) == 0, what);
  digest(csystem_sha256_blocks_portable, message, count, text);
  expect(strcmp(text, want) == 0, what);
}

// The examples of FIPS 180-4.
static void check_sha256(void) {
  expect_digest((const uint8_t *)"", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "SHA-256 of nothing");
  expect_digest((const uint8_t *)"abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "SHA-256 of abc");
  expect_digest((const uint8_t *)"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", "SHA-256 of two blocks");
  uint8_t *million = malloc(1000000);
  memset(million, 'a', 1000000);
  expect_digest(million, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
      "SHA-256 of a million");
  free(million);
}

// ---------------------------------------------------------------------------------------------------------
// Threads, memory, CPUs

static uint32_t word;

static void *wait_for_word(void *unused) {
  (void)unused;
  while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) csystem_wait(&word, 0);
  return NULL;
}

static void check_waiting(void) {
  pthread_t threads[3];
  // Another value than expected: no wait.
  csystem_wait(&word, 7);
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, wait_for_word, NULL);
  const uint64_t begin = csystem_nanoseconds();
  while (csystem_nanoseconds() < begin + 10000000) csystem_spin_hint();
  __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
  csystem_wake(&word, 3);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  expect(true, "who waits wakes up");
}

static void check_memory(void) {
  const size_t bytes = 3 << 20;
  unsigned char *memory = csystem_map(bytes, 1);
  expect(memory != NULL, "memory is mapped");
  if (!memory) return;
  csystem_touch(memory, bytes);
  expect(memory[0] == 0 && memory[bytes - 1] == 0, "mapped memory is zero");
  csystem_unmap(memory, bytes);
  void *aligned = csystem_allocate(100, 64);
  expect(aligned && (uintptr_t)aligned % 64 == 0, "allocated memory is aligned");
  csystem_free(aligned);
}

static void check_processors(void) {
  int cpus[1024];
  const int count = csystem_allowed_cpus(cpus, 1024);
  expect(count >= 1 && count <= 1024, "some CPU is allowed");
  expect(csystem_online_cpus() >= 1, "some CPU is online");
}

// Another rounding than to nearest ends where kernels begin, and goes on after them.
static void check_float_state(void) {
  // Stored at once: a sum that is left in a register may be formed later, in another state.
  volatile double one = 1, little = 0x1p-60, least = 0x1p-1074, inside, product, outside;
  fesetround(FE_UPWARD);
  const uint32_t state = csystem_enter_float_state();
  inside = one + little;
  product = least * 0.75;
  csystem_restore_float_state(state);
  outside = one + little;
  fesetround(FE_TONEAREST);
  expect(inside == 1, "kernels round to nearest");
  expect(product == 0x1p-1074, "kernels keep subnormal numbers");
  expect(outside > 1, "the state before is restored");
}

int main(void) {
  check_sha256();
  check_waiting();
  check_memory();
  check_processors();
  check_float_state();
  printf("system: %d checks, SHA-256 with the CPU's instructions: %s, %s\n", checks,
         csystem_sha256_has_instructions() ? "yes" : "no", failures ? "FAILED" : "all well");
  return failures > 0;
}
