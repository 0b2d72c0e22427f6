// The compression function of SHA-256 (FIPS 180-4, section 6.2.2).
#ifndef CAUTOGRAD_SHA256_H
#define CAUTOGRAD_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Takes `count` blocks of 64 bytes into the eight words of `state`, with the processor's own instructions where it has
/// them.
void csystem_sha256_blocks(uint32_t *_Nonnull state, const uint8_t *_Nonnull data, size_t count);

/// The same in plain C, whatever the processor has.
void csystem_sha256_blocks_portable(uint32_t *_Nonnull state, const uint8_t *_Nonnull data, size_t count);

/// Whether the processor's own instructions are used.
bool csystem_sha256_has_instructions(void);

#endif
