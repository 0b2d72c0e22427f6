// Totals without loss: floats are added up in double, doubles together with what each addition loses (Knuth's two-sum), so
// that a total is right to the rounding of its last digit. The order is that of the elements: lanes first, then over
// lanes.

typedef double wide __attribute__((vector_size(8 * VECTOR_BYTES / sizeof(REAL))));

// A running total for each lane. Handed about by its address: vectors of this width are not passed alike everywhere.
#if REAL_BITS == 32
typedef struct total { wide sum; } total;

INLINE void add_to(total *t, vec x) { t->sum += __builtin_convertvector(x, wide); }
#else
typedef struct total { vec sum, lost; } total;

INLINE void add_to(total *t, vec x) {
  const vec sum = t->sum + x, added = sum - t->sum;
  t->lost += (t->sum - (sum - added)) + (x - added);
  t->sum = sum;
}
#endif

// Each lane's total times scale, divided by divisor. Infinite sums make what they lost NaN: it counts only where it is a
// number.
INLINE vec totals_of_lanes(const total *t, double scale, double divisor) {
#if REAL_BITS == 32
  return __builtin_convertvector(t->sum * scale / divisor, vec);
#else
  const vec whole = t->sum + t->lost;
  return select(whole == whole, whole, t->sum) * scale / divisor;
#endif
}

// The total over all lanes.
INLINE double total_of(const total *t) {
  double sums[VECTOR_BYTES / sizeof(REAL)];
  memcpy(sums, &t->sum, sizeof sums);
#if REAL_BITS == 32
  for (ck_index half = LANES / 2; half > 0; half /= 2) {
    for (ck_index i = 0; i < half; i++) sums[i] += sums[i + half];
  }
  return sums[0];
#else
  double sum = 0, lost = 0;
  for (ck_index i = 0; i < LANES; i++) {
    const double next = sum + sums[i], added = next - sum;
    lost += (sum - (next - added)) + (sums[i] - added) + t->lost[i];
    sum = next;
  }
  return sum + lost == sum + lost ? sum + lost : sum;
#endif
}

// Where each element costs more than its addition, runs of so many are added up in REAL first, lane by lane.
#define RUN (CK_TERMS * LANES)

INLINE ck_index run_end(ck_index first, ck_index count) { return count - first < RUN ? count : first + RUN; }

// The total of all runs, of which `last` is the last one: alone it is all there is.
INLINE double total_of_runs(total *t, vec last, ck_index count) {
  if (count <= RUN) return (double)sum_lanes(last);
  add_to(t, last);
  return total_of(t);
}

// Evaluates `total_of_runs` of terms v over [0, count): the statement after it makes v of i and n.
#define EACH_RUN(t, block, count, ...) \
  do { \
    for (ck_index run = 0; run < (count); run += RUN) { \
      if (run > 0) add_to(&(t), block); \
      block = (vec){0}; \
      EACH_VECTOR(i, n, run, run_end(run, count)) { __VA_ARGS__ } \
    } \
  } while (0)
