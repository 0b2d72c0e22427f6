// SHA-256 over whole blocks. Names are those of FIPS 180-4.
#include "CAutogradSHA256.h"

static const uint32_t K[64] __attribute__((aligned(16))) = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

void csystem_sha256_blocks_portable(uint32_t *_Nonnull state, const uint8_t *_Nonnull data, size_t count) {
  for (; count > 0; count--, data += 64) {
    uint32_t W[64];
    for (int t = 0; t < 16; t++)
      W[t] = (uint32_t)data[4 * t] << 24 | (uint32_t)data[4 * t + 1] << 16 | (uint32_t)data[4 * t + 2] << 8
             | data[4 * t + 3];
    for (int t = 16; t < 64; t++) {
      uint32_t sigma0 = rotr(W[t - 15], 7) ^ rotr(W[t - 15], 18) ^ W[t - 15] >> 3;
      uint32_t sigma1 = rotr(W[t - 2], 17) ^ rotr(W[t - 2], 19) ^ W[t - 2] >> 10;
      W[t] = sigma1 + W[t - 7] + sigma0 + W[t - 16];
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
      uint32_t T1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + W[t];
      uint32_t T2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + T1, d = c, c = b, b = a, a = T1 + T2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
  }
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

bool csystem_sha256_has_instructions(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3)) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29);
}

/// The instructions keep a, b, e, f in one register and c, d, g, h in another, and take two rounds at a time.
__attribute__((target("sha,sse4.1,ssse3")))
static void blocks_with_instructions(uint32_t state[8], const uint8_t *data, size_t count) {
  const __m128i bigEndian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i dcba = _mm_loadu_si128((const __m128i *)state), hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
  dcba = _mm_shuffle_epi32(dcba, 0xb1), hgfe = _mm_shuffle_epi32(hgfe, 0x1b);
  __m128i abef = _mm_alignr_epi8(dcba, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);
  for (; count > 0; count--, data += 64) {
    __m128i W[4], abefBefore = abef, cdghBefore = cdgh;
#pragma clang loop unroll(full)
    for (int group = 0; group < 16; group++) {
      __m128i words;
      if (group < 4) {
        words = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data + group), bigEndian);
      } else {
        __m128i last = W[(group + 3) & 3], beforeLast = W[(group + 2) & 3];
        words = _mm_sha256msg1_epu32(W[group & 3], W[(group + 1) & 3]);
        words = _mm_add_epi32(words, _mm_alignr_epi8(last, beforeLast, 4));
        words = _mm_sha256msg2_epu32(words, last);
      }
      W[group & 3] = words;
      words = _mm_add_epi32(words, _mm_load_si128((const __m128i *)K + group));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, words);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(words, 0x0e));
    }
    abef = _mm_add_epi32(abef, abefBefore), cdgh = _mm_add_epi32(cdgh, cdghBefore);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

bool csystem_sha256_has_instructions(void) {
#if defined(__linux__)
  return getauxval(AT_HWCAP) & HWCAP_SHA2;
#else
  return true;  // Every Apple processor has them.
#endif
}

/// The instructions keep a, b, c, d in one register and e, f, g, h in another, and take four rounds at a time.
__attribute__((target("sha2")))
static void blocks_with_instructions(uint32_t state[8], const uint8_t *data, size_t count) {
  uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
  for (; count > 0; count--, data += 64) {
    uint32x4_t W[4], abcdBefore = abcd, efghBefore = efgh;
#pragma clang loop unroll(full)
    for (int group = 0; group < 16; group++) {
      uint32x4_t words;
      if (group < 4) {
        words = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * group)));
      } else {
        words = vsha256su0q_u32(W[group & 3], W[(group + 1) & 3]);
        words = vsha256su1q_u32(words, W[(group + 2) & 3], W[(group + 3) & 3]);
      }
      W[group & 3] = words;
      words = vaddq_u32(words, vld1q_u32(K + 4 * group));
      const uint32x4_t abcdOld = abcd;
      abcd = vsha256hq_u32(abcd, efgh, words);
      efgh = vsha256h2q_u32(efgh, abcdOld, words);
    }
    abcd = vaddq_u32(abcd, abcdBefore), efgh = vaddq_u32(efgh, efghBefore);
  }
  vst1q_u32(state, abcd);
  vst1q_u32(state + 4, efgh);
}
#else
bool csystem_sha256_has_instructions(void) { return false; }
#endif

void csystem_sha256_blocks(uint32_t *_Nonnull state, const uint8_t *_Nonnull data, size_t count) {
#if defined(__x86_64__) || defined(__aarch64__)
  if (csystem_sha256_has_instructions()) return blocks_with_instructions(state, data, count);
#endif
  csystem_sha256_blocks_portable(state, data, count);
}
