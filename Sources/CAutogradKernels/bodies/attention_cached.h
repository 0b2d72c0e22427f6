// Attention over keys and values that are kept from one pass to the next. New keys and values are packed behind those
// of their text just as `pack_keys` and `pack_values` would have packed the whole text, and rows multiply them as those of
// attention.h do, from the row on that they begin at: a text's results are those of its whole, bit for bit, however it is
// cut into passes.
//
// A text's last panel of keys holds whatever was there behind its last key: such scores are computed and never read.
//
// How much scratch memory `cached_room` lays out is counted in dispatch.c.

// Keys and values may be kept as bfloat16 where floats are multiplied: rounded as they are packed, made floats again as
// they are read.
#define HALVES (REAL_BITS == 32 && STEP == 1)

typedef uint16_t half_vec __attribute__((vector_size(VECTOR_BYTES * 16 / REAL_BITS), aligned(2), may_alias));

#if HALVES
// Floats that are bfloat16 as those, and back.
INLINE void narrow(uint16_t *to, vec v) {
  typedef uint32_t words __attribute__((vector_size(VECTOR_BYTES)));
  *(half_vec *)to = __builtin_convertvector((words)rounded_to_bfloat16(v) >> 16, half_vec);
}

INLINE void widen(REAL *to, const uint16_t *from, ck_index count) {
  for (ck_index i = 0; i < count; i += LANES) {
    store(to + i, (vec)(__builtin_convertvector(*(const half_vec *)(from + i), ivec) << 16));
  }
}
#else
INLINE void narrow(uint16_t *to, vec v) { (void)to, (void)v; }
INLINE void widen(REAL *to, const uint16_t *from, ck_index count) { (void)to, (void)from, (void)count; }
#endif

// Keys that are made floats at a time where one token reads them.
#define WIDENED_KEYS 64

// What is laid out in scratch: rows of probabilities; a row or tile as a left factor; prepared rows; and for keys and
// values in 16 bits a panel of either, and all that a block of rows sees.
typedef struct cached_room { forward_room forward; REAL *panel; ck_index widened_head, widened; } cached_room;

INLINE cached_room cached_room_in(REAL *scratch, const ck_cached_attention *c) {
  const ck_index D = c->attention.D, width = c->longest;
  cached_room room = {.forward = {.p = scratch}, .widened_head = -1};
  room.forward.left = room.forward.p + MR * width;
  room.forward.prepared = room.forward.left + MR * STEPS(D);
  room.panel = room.forward.prepared + (MR > NR ? MR : NR) * padded(D);
  room.forward.keys = room.panel + NR * (D > WIDENED_KEYS ? D : WIDENED_KEYS);
  room.forward.values = room.forward.keys + (c->halves ? width * D : 0);
  return room;
}

// One head of keys of a text: where its keys and values lie, as what is multiplied or in 16 bits.
typedef struct kept_head { REAL *keys, *values; uint16_t *half_keys, *half_values; ck_index number; } kept_head;

INLINE kept_head kept_head_of(const ck_cached_attention *c, ck_index sequence, ck_index key_head) {
  const ck_index D = c->attention.D, number = sequence * c->attention.KV + key_head;
  kept_head kept = {.number = number};
  if (c->halves) {
    kept.half_keys = (uint16_t *)c->keys + number * c->capacity * D;
    kept.half_values = (uint16_t *)c->values + number * c->capacity * padded(D);
  } else {
    kept.keys = (REAL *)c->keys + number * c->capacity * STEPS(D);
    kept.values = (REAL *)c->values + number * STEPS(c->capacity) * padded(D);
  }
  return kept;
}

// ---------------------------------------------------------------------------------------------------------
// Appending

// Column `lane` of a panel of keys becomes this row.
static void append_column(const kept_head *kept, ck_index panel, ck_index lane, const REAL *row, ck_index D, REAL *room) {
  if (kept->half_keys) {
    uint16_t *to = kept->half_keys + panel * D + lane;
    for (ck_index first = 0; first < D; first += LANES) {
      const ck_index n = at_most(D - first, LANES);
      uint16_t numbers[VECTOR_BYTES / sizeof(REAL)];
      narrow(numbers, load_n(row + first, n));
      for (ck_index d = 0; d < n; d++) to[(first + d) * NR] = numbers[d];
    }
    return;
  }
  const REAL *steps = left_factor(room, row, 0, 1, D);
  // As bytes: what a pair looks like as a float does not matter.
  for (ck_index d = 0; d < STEPS(D); d++) memcpy(kept->keys + panel * STEPS(D) + d * NR + lane, steps + d, sizeof(REAL));
}

// `count` rows of keys, the first number `token` of the batch, become those from `position` on.
static void append_keys(const ck_cached_attention *c, const kept_head *kept, const REAL *k, ck_index token,
                        ck_index position, ck_index count, const cached_room *room) {
  const ck_attention *g = &c->attention;
  const ck_index D = g->D;
  for (ck_index first = 0, n; first < count; first += n) {
    const ck_index lane = (position + first) % NR, panel = position + first - lane;
    n = at_most(count - first, NR - lane);
    const rows keys =
      prepared(g, room->forward.prepared, k + first * g->k_stride, g->k_stride, g->k_weight, token + first, n);
    if (lane > 0 || n == 1) {
      for (ck_index i = 0; i < n; i++) {
        append_column(kept, panel, lane + i, keys.at + i * keys.stride, D, room->forward.left);
      }
    } else if (kept->half_keys) {
      pack_rows(room->panel, keys.at, keys.stride, n, D);
      for (ck_index i = 0; i < NR * D; i += LANES) narrow(kept->half_keys + panel * D + i, load(room->panel + i));
    } else {
      pack_rows(kept->keys + panel * STEPS(D), keys.at, keys.stride, n, D);
    }
  }
}

#if PAIRS
// The second number of each of a row's pairs: those of an odd key.
static void append_odd_values(REAL *values, ck_index capacity, const REAL *row, ck_index position, ck_index D) {
  for (ck_index first = 0; first < D; first += NR) {
    REAL *to = values + first * STEPS(capacity) + position / STEP * NR;
    for (ck_index j = 0; j < NR; j += LANES) {
      const vec pairs = pairs_across((vec){0}, load_existing(row + first + j, LANES, D - first - j));
      store(to + j, (vec)((ivec)first_of_step(load(to + j)) | (ivec)pairs));
    }
  }
}
#endif

// `count` rows of values become those from `position` on.
static void append_values(const ck_cached_attention *c, const kept_head *kept, const REAL *v, ck_index position,
                          ck_index count) {
  const ck_index D = c->attention.D, stride = c->attention.v_stride, capacity = c->capacity;
  if (kept->half_values) {
    for (ck_index i = 0; i < count; i++) {
      for (ck_index first = 0; first < padded(D); first += NR) {
        uint16_t *to = kept->half_values + first * capacity + (position + i) * NR;
        for (ck_index j = 0; j < NR; j += LANES) {
          narrow(to + j, load_existing(v + i * stride + first + j, LANES, D - first - j));
        }
      }
    }
    return;
  }
#if PAIRS
  if (position % STEP > 0) {
    append_odd_values(kept->values, capacity, v, position, D);
    position++, count--, v += stride;
  }
#endif
  if (count > 0) pack_values(kept->values + STEPS(position) * NR, capacity, v, stride, count, D);
}

static void cache_append(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_cached_attention c = ((const ck_cache_append *)arguments)->pass;
  const ck_attention *g = &c.attention;
  const cached_room room = cached_room_in(scratch, &c);
  for (ck_index unit = begin; unit < end; unit++) {
    const ck_span span = c.spans[unit / g->KV];
    const ck_index key_head = unit % g->KV, column = key_head * g->D;
    const kept_head kept = kept_head_of(&c, span.sequence, key_head);
    append_keys(&c, &kept, (const REAL *)g->k + span.row * g->k_stride + column, span.row, span.position, span.count,
                &room);
    append_values(&c, &kept, (const REAL *)g->v + span.row * g->v_stride + column, span.position, span.count);
  }
}

// ---------------------------------------------------------------------------------------------------------
// One token: the query heads that share keys are the rows of a tile, which all see the same keys.

// The panel of keys that begins with key number `first`.
INLINE const REAL *key_panel(const kept_head *kept, ck_index first, ck_index D, REAL *room) {
  if (!kept->half_keys) return kept->keys + first * STEPS(D);
  widen(room, kept->half_keys + first * D, NR * D);
  return room;
}

// out[rows, columns] = or goes on with Σ p[row, key] · values[key] over keys begin..<past, which end between steps or not.
static void shared_values(REAL *out, ck_index out_stride, const REAL *p, ck_index width, ck_index begin, ck_index past,
                          const REAL *panel, ck_index rows, ck_index columns, ck_onto onto) {
  const ck_index whole = (begin + STEP - 1) / STEP * STEP, rest = past / STEP * STEP;
  if (begin < whole) {
    for (ck_index i = 0; i < rows; i++) {
      row_values(out + i * out_stride, p + i * width, begin, at_most(past, whole), panel, columns, onto);
    }
    onto = CK_CONTINUES;
  }
  if (whole < rest) {
    any_tile((int)rows, (rest - whole) / STEP, p + whole / STEP, width, 1, panel + whole / STEP * NR, out, out_stride,
             columns, onto);
    onto = CK_CONTINUES;
  }
  if (rest < past && rest >= whole) {
    for (ck_index i = 0; i < rows; i++) row_values(out + i * out_stride, p + i * width, rest, past, panel, columns, onto);
  }
}

// The same over all values that a token sees.
static void token_values(const ck_cached_attention *c, const kept_head *kept, REAL *y, const REAL *p, ck_index width,
                         ck_index begin, ck_index past, ck_index heads, REAL *room) {
  const ck_index D = c->attention.D;
  for (ck_index column = 0; column < D; column += NR) {
    const ck_index columns = at_most(D - column, NR);
    if (!kept->half_values) {
      shared_values(y + column, D, p, width, begin, past, kept->values + column * STEPS(c->capacity), heads, columns,
                    CK_WRITES);
      continue;
    }
    for (ck_index first = begin, n; first < past; first += n) {
      n = at_most(past - first, WIDENED_KEYS);
      widen(room, kept->half_values + column * c->capacity + first * NR, n * NR);
      shared_values(y + column, D, p + first, width, 0, n, room, heads, columns,
                    first > begin ? CK_CONTINUES : CK_WRITES);
    }
  }
}

// `heads` ≤ MR query heads of one token, from `head` on, which read the same keys.
static void attend_token(const ck_cached_attention *c, const kept_head *kept, ck_index token, ck_index position,
                         ck_index head, ck_index heads, const cached_room *room) {
  const ck_attention *g = &c->attention;
  const ck_index D = g->D, width = padded(position + 1), begin = first_key(g->window, position);
  const REAL *q = (const REAL *)g->q + token * g->q_stride + head * D;
  rows queries = {q, D};
  for (ck_index h = 0; h < heads && prepares(g); h++) {
    const rows one = prepared(g, room->forward.prepared + h * padded(D), q + h * D, D, g->q_weight, token, 1);
    if (h == 0) queries = one;
  }
  const REAL *left = left_factor(room->forward.left, queries.at, queries.stride, heads, D);
  REAL *p = room->forward.p;
  for (ck_index first = begin / NR * NR; first <= position; first += NR) {
    any_tile((int)heads, STEPS(D), left, LEFT_STRIDE(queries.stride, D), 1, key_panel(kept, first, D, room->panel),
             p + first, width, NR, CK_WRITES);
  }
  for (ck_index h = 0; h < heads; h++) {
    probabilities(p + h * width, g, 0, 0, position, NULL);
    keys_as_steps(p + h * width, p + h * width, g->window, position);
  }
  REAL *y = (REAL *)g->y + (token * g->H + head) * D;
  token_values(c, kept, y, p, width, begin, position + 1, heads, room->panel);
}

// ---------------------------------------------------------------------------------------------------------
// Many tokens

// All keys and values before `past`, as floats in scratch: those of the block before are there already.
static void widen_head(const ck_cached_attention *c, const kept_head *kept, ck_index past, cached_room *room) {
  const ck_index D = c->attention.D, from = room->widened_head == kept->number ? room->widened : 0;
  if (from >= past) return;
  const ck_index panel = from / NR * NR, count = padded(past) - panel;
  widen(room->forward.keys + panel * D, kept->half_keys + panel * D, count * D);
  for (ck_index first = 0; first < padded(D); first += NR) {
    widen(room->forward.values + first * c->longest + panel * NR, kept->half_values + first * c->capacity + panel * NR,
          count * NR);
  }
  room->widened_head = kept->number, room->widened = past;
}

// One query head of a block of `count` tokens, the first number `token` of the batch.
static void attend_block(const ck_cached_attention *c, const kept_head *kept, ck_index token, ck_index position,
                         ck_index count, ck_index head, cached_room *room) {
  const ck_attention *g = &c->attention;
  // Rows go in groups that begin between pairs.
  if (position % STEP > 0) {
    attend_token(c, kept, token, position, head, 1, room);
    token++, position++, count--;
  }
  if (count == 0) return;
  forward_room forward = room->forward;
  if (c->halves) {
    widen_head(c, kept, position + count, room);
  } else {
    forward.keys = kept->keys, forward.values = kept->values;
  }
  const query_rows span = {(const REAL *)g->q + token * g->q_stride + head * g->D,
                           (REAL *)g->y + (token * g->H + head) * g->D, head, token, position, position + count, NULL};
  attend(g, &span, c->halves ? c->longest : c->capacity, &forward);
}

static void cached_attention(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_cached_attention c = *(const ck_cached_attention *)arguments;
  const ck_index H = c.attention.H, group = H / c.attention.KV;
  cached_room room = cached_room_in(scratch, &c);
  ck_index number = 0;
  for (ck_index unit = begin, taken; unit < end; unit += taken) {
    while (number + 1 < c.span_count && unit >= c.spans[number + 1].first_block * H) number++;
    const ck_span span = c.spans[number];
    const ck_index blocks = (span.count + c.rows_per_block - 1) / c.rows_per_block, at = unit - span.first_block * H;
    const ck_index head = at / blocks, first = at % blocks * c.rows_per_block;
    const kept_head kept = kept_head_of(&c, span.sequence, head / group);
    taken = 1;
    if (span.count == 1) {
      // Heads that share keys go together, as far as they are this thread's.
      taken = at_most(at_most((head / group + 1) * group - head, end - unit), MR);
      attend_token(&c, &kept, span.row, span.position, head, taken, &room);
    } else {
      attend_block(&c, &kept, span.row + first, span.position + first, at_most(span.count - first, c.rows_per_block),
                   head, &room);
    }
  }
}
