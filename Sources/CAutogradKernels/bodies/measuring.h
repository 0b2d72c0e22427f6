// The measuring loops of one instruction set. The including file defines VECTOR_BYTES, HAS_FMA, ACCUMULATORS and
// NAME(x), inside a target region.

typedef float NAME(vec) __attribute__((vector_size(VECTOR_BYTES)));

// Hides where a value comes from: what follows cannot be computed in advance or left out.
#if defined(__x86_64__)
#define OPAQUE(v) __asm__ volatile("" : "+v"(v))
#elif defined(__aarch64__)
#define OPAQUE(v) __asm__ volatile("" : "+w"(v))
#endif

// As many independent chains as hide the latency, with room for two operands in the registers. x = a·x + b stays
// near 2: no overflow, no denormals.
static void NAME(peak)(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  (void)arguments, (void)scratch;
  NAME(vec) sums[ACCUMULATORS] = {0}, a = (NAME(vec)){0} + 0.5f, b = (NAME(vec)){0} + 1.0f;
  OPAQUE(a);
  OPAQUE(b);
#pragma clang loop unroll(full)
  for (int i = 0; i < ACCUMULATORS; i++) OPAQUE(sums[i]);
  for (ck_index n = (end - begin) * PEAK_ROUNDS; n > 0; n--) {
#pragma clang loop unroll(full)
    for (int i = 0; i < ACCUMULATORS; i++) {
#if HAS_FMA
      sums[i] = __builtin_elementwise_fma(sums[i], a, b);
#else
      sums[i] = sums[i] * a + b;
#endif
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < ACCUMULATORS; i++) OPAQUE(sums[i]);
}

enum { NAME(lanes) = VECTOR_BYTES / sizeof(float) };

static void NAME(stream_read)(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  (void)scratch;
  const NAME(vec) *a = (const NAME(vec) *)((const ck_stream *)arguments)->a;
  NAME(vec) sums[4] = {0};
  for (ck_index i = begin * CK_STREAM_BLOCK / NAME(lanes); i < end * CK_STREAM_BLOCK / NAME(lanes); i += 4) {
#pragma clang loop unroll(full)
    for (int j = 0; j < 4; j++) sums[j] += a[i + j];
  }
  for (int j = 0; j < 4; j++) OPAQUE(sums[j]);
}

// Vector by vector: a loop over floats would become a call of memcpy, which stores past the caches.
static void NAME(stream_copy)(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  (void)scratch;
  const ck_stream s = *(const ck_stream *)arguments;
  const NAME(vec) *a = (const NAME(vec) *)s.a;
  NAME(vec) *c = (NAME(vec) *)s.c;
  for (ck_index i = begin * CK_STREAM_BLOCK / NAME(lanes); i < end * CK_STREAM_BLOCK / NAME(lanes); i++) {
    NAME(vec) v = a[i];
    OPAQUE(v);
    c[i] = v;
  }
}

static void NAME(stream_triad)(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  (void)scratch;
  const ck_stream s = *(const ck_stream *)arguments;
  const NAME(vec) *a = (const NAME(vec) *)s.a, *b = (const NAME(vec) *)s.b;
  NAME(vec) *c = (NAME(vec) *)s.c;
  for (ck_index i = begin * CK_STREAM_BLOCK / NAME(lanes); i < end * CK_STREAM_BLOCK / NAME(lanes); i++) {
    c[i] = a[i] + 3.0f * b[i];
  }
}

static const ck_peak NAME(peaks) = {
  NAME(peak), 2.0 * (VECTOR_BYTES / sizeof(float)) * ACCUMULATORS * PEAK_ROUNDS,
};
static const ck_function NAME(streams)[] = {NAME(stream_read), NAME(stream_copy), NAME(stream_triad)};

#undef OPAQUE
#undef VECTOR_BYTES
#undef HAS_FMA
#undef ACCUMULATORS
#undef NAME
