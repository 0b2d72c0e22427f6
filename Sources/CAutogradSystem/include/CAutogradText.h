#ifndef CAUTOGRAD_TEXT_H
#define CAUTOGRAD_TEXT_H

#include <stddef.h>
#include <stdint.h>

// Loops over texts and tokens: C, so that debug builds are as quick as others.

/// Writes the id of each character of UTF-8 text, until one is malformed or cut off, or has no id (a negative number).
///
/// @param pages Where in `ids` the 256 characters stand whose code points share the upper bits: 0x1100 of them.
/// @param out Room for an id for each byte.
/// @param characters Set to how many ids were written.
/// @return How many bytes were done.
size_t csystem_encode_text(const uint8_t *_Nonnull text, size_t count, const uint16_t *_Nonnull pages,
                           const int32_t *_Nonnull ids, int32_t *_Nonnull out, size_t *_Nonnull characters);

/// Marks each character of UTF-8 text, until one is malformed or cut off.
///
/// @param used By code point; set to 1.
/// @param used_pages By the upper bits of code points; set to 1.
/// @param characters Set to how many characters there were.
/// @return How many bytes were done.
size_t csystem_mark_text(const uint8_t *_Nonnull text, size_t count, uint8_t *_Nonnull used,
                         uint8_t *_Nonnull used_pages, size_t *_Nonnull characters);

/// Writes the lower 16 bits of each token, the lower byte first.
void csystem_pack_uint16(const int32_t *_Nonnull tokens, size_t count, uint8_t *_Nonnull out);

#endif
