#include "CAutogradText.h"

size_t csystem_encode_ascii(const uint8_t *text, size_t count, const int32_t *ids, int32_t *out) {
  for (size_t i = 0; i < count; i++) {
    if (text[i] >= 0x80) return i;
    int32_t id = ids[text[i]];
    if (id < 0) return i;
    out[i] = id;
  }
  return count;
}

size_t csystem_mark_ascii(const uint8_t *text, size_t count, uint8_t *used) {
  for (size_t i = 0; i < count; i++) {
    if (text[i] >= 0x80) return i;
    used[text[i]] = 1;
  }
  return count;
}

void csystem_pack_uint16(const int32_t *tokens, size_t count, uint8_t *out) {
  for (size_t i = 0; i < count; i++) {
    out[2 * i] = (uint8_t)tokens[i];
    out[2 * i + 1] = (uint8_t)(tokens[i] >> 8);
  }
}
