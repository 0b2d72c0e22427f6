#ifndef CAUTOGRAD_TEXT_H
#define CAUTOGRAD_TEXT_H

#include <stddef.h>
#include <stdint.h>

// Loops over texts and tokens: C, so that debug builds are as quick as others.

/// Writes the id of each byte, until one is no ASCII, or has no id (a negative number).
///
/// @param ids 128 of them.
/// @param out Room for `count` ids.
/// @return How many bytes were done.
size_t csystem_encode_ascii(const uint8_t *_Nonnull text, size_t count, const int32_t *_Nonnull ids, int32_t *_Nonnull out);

/// Sets `used[byte]` for each byte, until one is no ASCII.
///
/// @return How many bytes were done.
size_t csystem_mark_ascii(const uint8_t *_Nonnull text, size_t count, uint8_t *_Nonnull used);

/// Writes the lower 16 bits of each token, the lower byte first.
void csystem_pack_uint16(const int32_t *_Nonnull tokens, size_t count, uint8_t *_Nonnull out);

#endif
