// The largest or smallest element over axes, and where it stands.

// Lanes where v takes the place of `best`: beyond it, or NaN where no NaN was before.
INLINE ivec beats(vec v, vec best, int minimum) {
  const ivec beyond = minimum ? v < best : v > best;
  return beyond | ((v != v) & (best == best));
}

INLINE ivec select_places(ivec mask, ivec a, ivec b) { return (a & mask) | (b & ~mask); }

// Over contiguous kept elements: lanes are outputs.
INLINE void extremum_columns(const ck_extremum *g, const REAL *x, REAL *y, INTEGER *places, ck_index terms,
                             ck_index n) {
  vec best = load_n(x, n);
  ivec place = {0};
  for (ck_index term = 1; term < terms; term++) {
    const vec v = load_n(x + term_offset(term, g->reduced_rank, g->reduced_shape, g->reduced_strides), n);
    const ivec better = beats(v, best, g->minimum);
    best = select(better, v, best);
    place = select_places(better, (ivec){0} + (INTEGER)term, place);
  }
  store_n(y, best, n);
  store_n((REAL *)places, (vec)place, n);
}

// One output: lanes are neighbours along the last reduced axis. All lanes start from the first element.
static void extremum_run(const ck_extremum *g, const REAL *x, REAL *y, INTEGER *places, ck_index terms) {
  const int last = g->reduced_rank - 1;
  const ck_index columns = g->reduced_shape[last], stride = g->reduced_strides[last];
  ivec lane, place = {0};
  vec best = splat(x[0]);
  for (int i = 0; i < LANES; i++) lane[i] = i;
  for (ck_index row = 0; row * columns < terms; row++) {
    const REAL *run = x + row_offset(row, g->reduced_rank, g->reduced_shape, g->reduced_strides);
    EACH_VECTOR(i, n, 0, columns) {
      const vec v = load_strided(run, i, stride, n);
      ivec better = beats(v, best, g->minimum);
      if (n < LANES) better &= lanes_before(n);
      best = select(better, v, best);
      place = select_places(better, lane + (INTEGER)(row * columns + i), place);
    }
  }
  int winner = 0;
  for (int i = 1; i < LANES; i++) {
    const REAL a = best[i], b = best[winner];
    const int beyond = (g->minimum ? a < b : a > b) || (a != a && b == b);
    const int equal = a == b || (a != a && b != b);
    if (beyond || (equal && place[i] < place[winner])) winner = i;
  }
  *y = best[winner];
  *places = place[winner];
}

static void extremum(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_extremum *g = arguments;
  const ck_index blocks = (g->inner + 63) / 64;
  ck_index terms = 1;
  for (int axis = 0; axis < g->reduced_rank; axis++) terms *= g->reduced_shape[axis];
  (void)scratch;
  for (ck_index unit = begin; unit < end; unit++) {
    const ck_index row = unit / blocks, first = unit % blocks * 64;
    const REAL *x = (const REAL *)g->x + row_offset(row, g->kept_rank + 1, g->kept_shape, g->kept_strides);
    REAL *y = (REAL *)g->y + row * g->inner;
    INTEGER *places = (INTEGER *)g->places + row * g->inner;
    if (g->inner == 1) {
      extremum_run(g, x, y, places, terms);
      continue;
    }
    const ck_index past = first + 64 < g->inner ? first + 64 : g->inner;
    EACH_VECTOR(i, n, first, past) extremum_columns(g, x + i, y + i, places + i, terms, n);
  }
}

static void extremum_backward(const void *arguments, ck_index begin, ck_index end, void *scratch) {
  const ck_extremum_backward *b = arguments;
  const ck_extremum *g = &b->forward;
  const ck_index blocks = (g->inner + 63) / 64;
  (void)scratch;
  for (ck_index unit = begin; unit < end; unit++) {
    const ck_index row = unit / blocks, first = unit % blocks * 64;
    const ck_index past = first + 64 < g->inner ? first + 64 : g->inner;
    REAL *dx = (REAL *)b->dx + row_offset(row, g->kept_rank + 1, g->kept_shape, g->kept_strides);
    const REAL *dy = (const REAL *)b->dy + row * g->inner;
    const INTEGER *places = (const INTEGER *)g->places + row * g->inner;
    for (ck_index i = first; i < past; i++) {
      dx[i + term_offset(places[i], g->reduced_rank, g->reduced_shape, g->reduced_strides)] += dy[i];
    }
  }
}
