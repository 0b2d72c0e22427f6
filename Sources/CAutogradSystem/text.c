#include "CAutogradText.h"

/// Reads the character of several bytes at `text`: how many, or 0 where they are malformed or cut off. Strict: overlong
/// forms, surrogates and values above U+10FFFF are malformed, as AutogradBase's UTF8Sequence has it.
static size_t read_character(const uint8_t *text, size_t count, uint32_t *value) {
  uint8_t lead = text[0], low = 0x80, high = 0xBF;
  size_t length;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  else if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  else if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  else return 0;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (count < length || text[1] < low || text[1] > high) return 0;
  uint32_t scalar = lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((text[i] & 0xC0) != 0x80) return 0;
    scalar = scalar << 6 | (text[i] & 0x3F);
  }
  *value = scalar;
  return length;
}

size_t csystem_encode_text(const uint8_t *text, size_t count, const uint16_t *pages, const int32_t *ids, int32_t *out,
                           size_t *characters) {
  const int32_t *ascii = ids + (size_t)pages[0] * 256;
  size_t offset = 0, done = 0;
  while (offset < count) {
    int32_t id;
    size_t length = 1;
    if (text[offset] < 0x80) {
      id = ascii[text[offset]];
    } else {
      uint32_t scalar;
      length = read_character(text + offset, count - offset, &scalar);
      if (length == 0) break;
      id = ids[(size_t)pages[scalar >> 8] * 256 + (scalar & 0xFF)];
    }
    if (id < 0) break;
    out[done++] = id;
    offset += length;
  }
  *characters = done;
  return offset;
}

size_t csystem_mark_text(const uint8_t *text, size_t count, uint8_t *used, uint8_t *used_pages, size_t *characters) {
  size_t offset = 0, done = 0;
  while (offset < count) {
    if (text[offset] < 0x80) {
      used[text[offset]] = 1;
      offset++;
    } else {
      uint32_t scalar;
      size_t length = read_character(text + offset, count - offset, &scalar);
      if (length == 0) break;
      used[scalar] = 1;
      used_pages[scalar >> 8] = 1;
      offset += length;
    }
    done++;
  }
  // ASCII is in page 0, which may be empty otherwise.
  if (done > 0) used_pages[0] = 1;
  *characters = done;
  return offset;
}

void csystem_pack_uint16(const int32_t *tokens, size_t count, uint8_t *out) {
  for (size_t i = 0; i < count; i++) {
    out[2 * i] = (uint8_t)tokens[i];
    out[2 * i + 1] = (uint8_t)(tokens[i] >> 8);
  }
}
