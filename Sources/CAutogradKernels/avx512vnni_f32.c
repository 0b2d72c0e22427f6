// AVX-512 with products of four bytes at once (VNNI): stored weights times integers.
#include "common.h"

#if defined(__x86_64__)
#define REAL_BITS 32
#define VNNI 1
#include "avx512.h"
#include "element.h"
#include "bodies/epilogue.h"
#include "bodies/weight_words.h"
#include "bodies/weight_integers.h"

extern const ck_integer_table ck_integer_table_avx512;
const ck_integer_table ck_integer_table_avx512 = {.weight_integers = weight_integers};

#pragma clang attribute pop
#endif
