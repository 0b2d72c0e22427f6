/* Results of operations against numbers worked out by hand, and the sentence of each misuse. Gradients are checked by
 * test_gradients.c. */
#include "check.h"

#define LENGTH(array) (int)(sizeof(array) / sizeof *(array))
#define SHAPE(...) (const int[]){__VA_ARGS__}
#define NUMBERS(...) (const double[]){__VA_ARGS__}, LENGTH(((const double[]){__VA_ARGS__}))
#define AXES(...) SHAPE(__VA_ARGS__), LENGTH(((const int[]){__VA_ARGS__}))
/* A variable of these numbers: VALUES(AXES(2, 2), NUMBERS(1, 2, 3, 4)). */
#define VALUES(...) values(__VA_ARGS__)
#define EXPECT(y, ...) expect(__LINE__, y, __VA_ARGS__)

static VariableV2 *values(const int *shape, int rank, const double *numbers, int count) {
  TensorV2 *t = tensor_create_temp(shape, rank);
  CHECK(t && t->size == count);
  for (int i = 0; i < count; i++) t->data[i] = numbers[i];
  return var_create_temp(t, true);
}

static void expect(int line, VariableV2 *y, const int *shape, int rank, const double *numbers, int count) {
  int same = y && y->data->rank == rank && y->data->size == count;
  for (int i = 0; same && i < rank; i++) same = y->data->shape[i] == shape[i];
  if (!same) check_failed(__FILE__, line, "the shape");
  for (int i = 0; i < count; i++) {
    double got = y->data->data[i];
    if (isnan(numbers[i]) ? isnan(got) : got == numbers[i]) continue;
    check_close(__FILE__, line, "an element", got, numbers[i], 1e-14);
  }
}

static void comparisons(void) {
  VariableV2 *a = VALUES(AXES(2, 3), NUMBERS(1, 2, 3, 4, NAN, 6)), *b = VALUES(AXES(3), NUMBERS(2, 2, 2));
  EXPECT(ag_less(a, b), AXES(2, 3), NUMBERS(1, 0, 0, 0, 0, 0));
  EXPECT(ag_less_equal(a, b), AXES(2, 3), NUMBERS(1, 1, 0, 0, 0, 0));
  EXPECT(ag_greater(a, b), AXES(2, 3), NUMBERS(0, 0, 1, 1, 0, 1));
  EXPECT(ag_greater_equal(a, b), AXES(2, 3), NUMBERS(0, 1, 1, 1, 0, 1));
  EXPECT(ag_equal(a, b), AXES(2, 3), NUMBERS(0, 1, 0, 0, 0, 0));
  EXPECT(ag_not_equal(a, b), AXES(2, 3), NUMBERS(1, 0, 1, 1, 1, 1));
  CHECK(!ag_less(a, b)->requires_grad && g_tape->count == 0);
  VariableV2 *pair = VALUES(AXES(2), NUMBERS(1, 2));
  CHECK(!ag_greater(a, pair));
  CHECK_ERROR("ag_greater: shapes [2] and [2, 3] do not fit");
}

static void choices(void) {
  VariableV2 *a = VALUES(AXES(2, 2), NUMBERS(1, NAN, 3, 4)), *b = VALUES(AXES(2), NUMBERS(10, 20));
  VariableV2 *mask = VALUES(AXES(2, 1), NUMBERS(0, -5)), *y = ag_where(mask, a, b);
  EXPECT(y, AXES(2, 2), NUMBERS(10, 20, 3, 4));
  for (int i = 0; i < 4; i++) y->grad->data[i] = i + 1;
  CHECK(g_tape->ops[0].num_inputs == 3 && tape_backward(g_tape) == 0);
  /* Nothing reaches what was not taken, not even the NaN, and nothing the mask. */
  CHECK(a->grad->data[0] == 0 && a->grad->data[1] == 0 && a->grad->data[2] == 3 && a->grad->data[3] == 4);
  CHECK(b->grad->data[0] == 1 && b->grad->data[1] == 2 && mask->grad->data[0] == 0 && mask->grad->data[1] == 0);
  CHECK(!ag_where(VALUES(AXES(3), NUMBERS(1, 0, 1)), a, b));
  CHECK_ERROR("ag_where: shapes [2, 2] and [3] do not fit");
  CHECK(!ag_where(mask, a, VALUES(AXES(3), NUMBERS(1, 2, 3))));
  CHECK_ERROR("ag_where: shapes [2, 2] and [3] do not fit");
  CHECK(!ag_where(NULL, a, b) && reported_errors == 0);
  autograd_reset_iteration();
  CHECK(!ag_where(NULL, VALUES(AXES(1), NUMBERS(1)), VALUES(AXES(1), NUMBERS(2))));
  CHECK_ERROR("ag_where: the mask is NULL");
}

static void picks(void) {
  VariableV2 *x = VALUES(AXES(2, 3), NUMBERS(1, 2, 3, 4, 5, 6));
  EXPECT(ag_gather(x, SHAPE(2, 0), AXES(2), 1), AXES(2), NUMBERS(3, 4));
  EXPECT(ag_gather(x, SHAPE(2, 0, 1, 1), AXES(2, 2), -1), AXES(2, 2), NUMBERS(3, 1, 5, 5));
  EXPECT(ag_gather(x, SHAPE(1, 0, 1), AXES(3), 0), AXES(3), NUMBERS(4, 2, 6));
  EXPECT(ag_gather(x, SHAPE(1), AXES(2, 0), 1), SHAPE(2, 0), 2, NULL, 0);
  CHECK(!ag_gather(x, SHAPE(0, 3), AXES(2), 1));
  CHECK_ERROR("ag_gather: token 3 at position 1 is outside the vocabulary of 3");
  CHECK(!ag_gather(x, SHAPE(-1, 0), AXES(2), 1));
  CHECK_ERROR("ag_gather: token -1 at position 0");
  CHECK(!ag_gather(x, SHAPE(0, 0), AXES(2), 2));
  CHECK_ERROR("ag_gather: shape [2, 3] has no axis 2");
  CHECK(!ag_gather(x, SHAPE(0, 0, 0), AXES(3), 1));
  CHECK_ERROR("ag_gather: tokens of shape [3] do not pick along axis 1 of shape [2, 3]");
  CHECK(!ag_gather(x, NULL, AXES(2), 1));
  CHECK_ERROR("ag_gather: the token list is NULL");
  CHECK(!ag_gather(x, SHAPE(0, 0), NULL, 1, 1));
  CHECK_ERROR("ag_gather: the shape is NULL");
  CHECK(!ag_gather(x, SHAPE(0, 0), SHAPE(-2), 1, 1));
  CHECK_ERROR("negative");
  CHECK(!ag_gather(x, SHAPE(0, 0), SHAPE(2), 9, 1));
  CHECK_ERROR("ag_gather: a tensor of 9 axes");
  CHECK(!ag_gather(VALUES(NULL, 0, NUMBERS(1)), SHAPE(0), NULL, 0, 0));
  CHECK_ERROR("ag_gather: shape [] has no axis 0");
}

static void reductions(void) {
  VariableV2 *x = VALUES(AXES(2, 3), NUMBERS(1, 2, 6, -1, 0, 1));
  EXPECT(ag_variance(x, 0), NULL, 0, NUMBERS(29.5 / 6));
  EXPECT(ag_variance_axis(x, 1, false, 0), AXES(2), NUMBERS(14.0 / 3, 2.0 / 3));
  EXPECT(ag_variance_axis(x, -1, true, 1), AXES(2, 1), NUMBERS(7, 1));
  EXPECT(ag_variance_axis(x, 0, false, 1), AXES(3), NUMBERS(2, 2, 12.5));
  CHECK(!isfinite(ag_variance_axis(x, 0, false, 2)->data->data[0]));
  CHECK(!ag_variance_axis(x, 2, false, 0));
  CHECK_ERROR("ag_variance_axis: shape [2, 3] has no axis 2");
  CHECK(!ag_variance_axis(x, -3, false, 0));
  CHECK_ERROR("has no axis -3");

  VariableV2 *rows = VALUES(AXES(3, 2), NUMBERS(0, 0, 1000, 1000, -INFINITY, -INFINITY));
  EXPECT(ag_log_sum_exp(rows, false), AXES(3), NUMBERS(log(2), 1000 + log(2), -INFINITY));
  EXPECT(ag_log_sum_exp(rows, true), AXES(3, 1), NUMBERS(log(2), 1000 + log(2), -INFINITY));
  EXPECT(ag_log_sum_exp(VALUES(NULL, 0, NUMBERS(3)), true), NULL, 0, NUMBERS(3));
  EXPECT(ag_log_sum_exp(var_create_temp(tensor_create_temp(AXES(2, 0)), false), false), AXES(2),
         NUMBERS(-INFINITY, -INFINITY));
}

static void element_by_element(void) {
  VariableV2 *x = VALUES(AXES(3), NUMBERS(-1, 0, 2));
  EXPECT(ag_gelu_exact(x), AXES(3), NUMBERS(-0.5 * (1 - erf(sqrt(0.5))), 0, 1 + erf(sqrt(2.0))));
  CHECK(fabs(ag_gelu(x)->data->data[2] - ag_gelu_exact(x)->data->data[2]) > 1e-5);
  VariableV2 *base = VALUES(AXES(2, 1), NUMBERS(2, -3));
  EXPECT(ag_power(base, x), AXES(2, 3), NUMBERS(0.5, 1, 4, -1.0 / 3, 1, 9));
  CHECK(isnan(ag_power(base, VALUES(AXES(1), NUMBERS(0.5)))->data->data[1]));
  CHECK(!ag_power(x, VALUES(AXES(2), NUMBERS(1, 2))));
  CHECK_ERROR("ag_power: shapes [3] and [2] do not fit");
}

static void shapes(void) {
  VariableV2 *x = VALUES(AXES(1, 2, 3), NUMBERS(1, 2, 3, 4, 5, 6));
  EXPECT(ag_permute(x, AXES(2, 0, 1)), AXES(3, 1, 2), NUMBERS(1, 4, 2, 5, 3, 6));
  EXPECT(ag_permute(x, AXES(0, -1, -2)), AXES(1, 3, 2), NUMBERS(1, 4, 2, 5, 3, 6));
  EXPECT(ag_permute(VALUES(NULL, 0, NUMBERS(7)), NULL, 0), NULL, 0, NUMBERS(7));
  CHECK(!ag_permute(x, AXES(0, 1)));
  CHECK_ERROR("ag_permute: [0, 1] does not name each axis of shape [1, 2, 3] once");
  CHECK(!ag_permute(x, AXES(0, 1, 1)));
  CHECK_ERROR("does not name each axis");
  CHECK(!ag_permute(x, AXES(0, 1, 3)));
  CHECK_ERROR("does not name each axis");
  CHECK(!ag_permute(x, AXES(0, 1, 2, 3, 4, 5, 6, 7, 8)));
  CHECK_ERROR("ag_permute: the order has 9 axes");
  CHECK(!ag_permute(x, NULL, 3));
  CHECK_ERROR("ag_permute: the order is NULL");
  CHECK(!var_reshape(x, NULL, 2));
  CHECK_ERROR("var_reshape: the shape is NULL");

  VariableV2 *a = VALUES(AXES(2), NUMBERS(1, 2)), *b = VALUES(AXES(2), NUMBERS(3, 4)), *both[] = {a, b};
  EXPECT(ag_stack(both, 2, 0), AXES(2, 2), NUMBERS(1, 2, 3, 4));
  EXPECT(ag_stack(both, 2, -1), AXES(2, 2), NUMBERS(1, 3, 2, 4));
  CHECK(g_tape->ops[g_tape->count - 1].num_inputs == 2);
  CHECK(!ag_stack(both, 2, 2));
  CHECK_ERROR("ag_stack: there is no place 2 for a new axis in shape [2]");
  CHECK(!ag_stack((VariableV2 *[]){a, x}, 2, 0));
  CHECK_ERROR("ag_stack: shapes [2] and [1, 2, 3] differ");
  CHECK(!ag_stack(both, 0, 0));
  CHECK_ERROR("ag_stack: 0 parts to join");
  VariableV2 *deep = VALUES(AXES(1, 1, 1, 1, 1, 1, 1, 1), NUMBERS(1));
  CHECK(!ag_stack(&deep, 1, 0));
  CHECK_ERROR("ag_stack: there is no place 0");
}

static void losses(void) {
  VariableV2 *x = VALUES(AXES(2, 2), NUMBERS(0, 2, -2, 800)), *t = VALUES(AXES(2, 2), NUMBERS(1, 1, 0, 1));
  EXPECT(ag_squared_error(x, t), NULL, 0, NUMBERS((1 + 1 + 4 + 799.0 * 799) / 4));
  EXPECT(ag_binary_cross_entropy(x, t), NULL, 0, NUMBERS((log(2) + 2 * log1p(exp(-2))) / 4));
  CHECK(autograd_backward(ag_squared_error(x, t)) == 0);
  CHECK(x->grad->data[2] == -1 && t->grad->data[2] == 1);
  VariableV2 *row = VALUES(AXES(2), NUMBERS(1, 1));
  CHECK(!ag_squared_error(x, row));
  CHECK_ERROR("ag_squared_error: predictions [2, 2] want targets of the same shape; got [2]");
  CHECK(!ag_binary_cross_entropy(x, row));
  CHECK_ERROR("ag_binary_cross_entropy: predictions [2, 2] want targets of the same shape; got [2]");
}

int main(void) {
  static void (*const parts[])(void) = {comparisons, choices, picks, reductions, element_by_element, shapes, losses};
  quiet();
  for (int i = 0; i < LENGTH(parts); i++) {
    parts[i]();
    CHECK(reported_errors == 0);
    CHECK(autograd_reset_iteration() == 0);
  }
  autograd_v2_cleanup();
  return 0;
}
