// An optimiser's rule over elements of a parameter. Its formula stands in a file of its own, such as adam.h; this is what
// all have in common: the ways through memory.

// Where in a parameter an address lies. INVARIANT: a parameter's values, gradient and states are each one block, of
// which the first piece is the beginning: it leads to all elements.
INLINE ck_index index_in(const ck_rule *rule, const REAL *address) {
  return address - (const REAL *)rule->pieces->value;
}

// Defines NAME_update, a `ck_update` of a formula that keeps STATES numbers per element:
//   FORMULA_terms, what the elements of a piece have in common, made by FORMULA_terms_of(rule, piece)
//   vec FORMULA_element(const FORMULA_terms *, vec value, vec gradient, vec *states), which gives the new values and
//   changes the states.
#define DEFINE_UPDATE(NAME, FORMULA, STATES) \
  INLINE void NAME##_run(const FORMULA##_terms *terms, const ck_piece *piece, ck_index first, ck_index count, \
                         REAL *target, const int stores) { \
    const REAL *value = (const REAL *)piece->value + first, *gradient = (const REAL *)piece->gradient + first; \
    EACH_VECTOR(i, n, 0, count) { \
      vec states[STATES + 1]; \
      _Pragma("clang loop unroll(full)") for (int s = 0; s < STATES; s++) { \
        states[s] = load_n((const REAL *)piece->states[s] + first + i, n); \
      } \
      const vec updated = FORMULA##_element(terms, load_n(value + i, n), load_n(gradient + i, n), states); \
      _Pragma("clang loop unroll(full)") for (int s = 0; stores && s < STATES; s++) { \
        store_n((REAL *)piece->states[s] + first + i, states[s], n); \
      } \
      store_n(target + i, updated, n); \
    } \
  } \
  static void NAME##_update(const ck_rule *rule, const ck_piece *piece, ck_index first, ck_index stride, ck_index rows, \
                            ck_index columns, void *target) { \
    const FORMULA##_terms terms = FORMULA##_terms_of(rule, piece); \
    for (ck_index row = 0; row < rows; row++) { \
      const ck_index at = first + row * stride; \
      if (target) NAME##_run(&terms, piece, at, columns, (REAL *)target + row * columns, 0); \
      else NAME##_run(&terms, piece, at, columns, (REAL *)piece->value + at, 1); \
    } \
  }
