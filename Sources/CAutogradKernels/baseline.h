// 128-bit vectors, what every CPU of an architecture has: SSE2, and on Arm NEON, whose multiply-adds are fused. Sets
// what element.h wants of an instruction set. Of 32 registers NEON's tile takes 24 for sums, of 16 SSE2's 8.

#define VECTOR_BYTES 16
#if defined(__aarch64__)
#define MR 12
#define MORE_CASES(CASE) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#define HAS_FMA 1
#else
#define MR 4
#define MORE_CASES(CASE)
#define HAS_FMA 0
#endif
#define HAS_MASKS 0
#define STEPS_TOGETHER 1
