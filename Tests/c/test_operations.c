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
  CHECK(!ag_where(mask, a, VALUES(AXES(3), NUMBERS(1, 2, 3))) && !ag_where(NULL, a, b) && reported_errors == 1);
  CHECK_ERROR("ag_where: shapes [2, 2] and [3] do not fit");
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

  /* A product of transposed matrices without copies of them. */
  VariableV2 *m = VALUES(AXES(2, 3), NUMBERS(1, 2, 3, 4, 5, 6));
  VariableV2 *large = var_create_temp(tensor_create_temp(AXES(64, 64)), false);
  size_t used = arena_get_used(global_arena);
  CHECK(ag_matmul_transposed(large, large, true, true) && arena_get_used(global_arena) - used < 64 * 64 * 8 + 1024);
  EXPECT(ag_matmul_transposed(m, m, false, true), AXES(2, 2), NUMBERS(14, 32, 32, 77));
  EXPECT(ag_matmul_transposed(m, m, true, false), AXES(3, 3), NUMBERS(17, 22, 27, 22, 29, 36, 27, 36, 45));
  CHECK(!ag_matmul_transposed(m, m, false, false));
  CHECK_ERROR("ag_matmul_transposed: shapes [2, 3] and [2, 3] do not fit");

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

static void ignored_targets(void) {
  VariableV2 *x = VALUES(AXES(3, 2), NUMBERS(0, 2, 5, 5, -1, 1)), *both = VALUES(AXES(2, 2), NUMBERS(0, 2, -1, 1));
  const double log_loss = log1p(exp(-2));
  EXPECT(ag_cross_entropy_ignoring(x, SHAPE(1, -100, 1), 3, -100), NULL, 0, NUMBERS(log_loss));
  EXPECT(ag_cross_entropy_ignoring(x, SHAPE(1, 0, 1), 3, 0), NULL, 0, NUMBERS(log_loss));
  CHECK(compute_cross_entropy_loss(both, SHAPE(1, 1), 2)->data->data[0] ==
        ag_cross_entropy_ignoring(x, SHAPE(1, 9, 1), 3, 9)->data->data[0]);
  CHECK(isnan(ag_cross_entropy_ignoring(x, SHAPE(7, 7, 7), 3, 7)->data->data[0]));
  VariableV2 *loss = ag_cross_entropy_ignoring(x, SHAPE(1, 7, 1), 3, 7);
  CHECK(autograd_backward(loss) == 0);
  CHECK(x->grad->data[2] == 0 && x->grad->data[3] == 0 && x->grad->data[0] > 0 && x->grad->data[0] == x->grad->data[4]);
  CHECK(!ag_cross_entropy_ignoring(x, SHAPE(1, 2, 1), 3, 7));
  CHECK_ERROR("ag_cross_entropy_ignoring: token 2 at position 1 is outside the vocabulary of 2");
  CHECK(!ag_cross_entropy_ignoring(x, SHAPE(1, 1), 2, 7));
  CHECK_ERROR("ag_cross_entropy_ignoring: logits [3, 2] have 3 rows, count is 2");
}

/* Against the products and the loss that it stands for; more rows than a chunk has, the last chunk not full. */
static void linear_losses(void) {
  enum { ROWS = 300, C = 5, V = 11 };
  static int targets[ROWS];
  for (int i = 0; i < ROWS; i++) targets[i] = i % 7 == 3 ? -1 : i * 5 % V;
  VariableV2 *x = parameter(SHAPE(2, ROWS / 2, C), 3), *w = parameter(SHAPE(V, C), 2), *both[] = {x, w};
  OptimizerV2 *sgd = optimizer_create(both, 2, 0.1);
  static double wanted[2][ROWS * C];
  for (int way = 0; way < 2; way++) {
    VariableV2 *loss = way ? ag_linear_cross_entropy_ignoring(x, w, targets, ROWS, -1)
                           : ag_cross_entropy_ignoring(ag_matmul(x, ag_transpose(w)), targets, ROWS, -1);
    static double value;
    if (!way) value = loss->data->data[0];
    CHECK_CLOSE(loss->data->data[0], value, 1e-14);
    /* Gradients may be cleared between forward and backward, and any seed will do. */
    optimizer_zero_grad(sgd);
    loss->grad->data[0] = -0.3;
    CHECK(tape_backward(g_tape) == 0);
    for (int p = 0; p < 2; p++) {
      for (int i = 0; i < both[p]->data->size; i++) {
        if (!way) wanted[p][i] = both[p]->grad->data[i];
        CHECK_CLOSE(both[p]->grad->data[i], wanted[p][i], 1e-14);
      }
    }
    CHECK(fabs(wanted[1][0]) > 1e-6);
    if (way) CHECK(g_tape->count == 1 && g_tape->ops[0].num_inputs == 2 && g_tape->ops[0].inputs[1] == w);
    autograd_reset_iteration();
  }

  /* A loss that nothing walks changes no gradient and is no error; one that is walked twice as often counts twice. */
  CHECK(ag_linear_cross_entropy_ignoring(x, w, targets, ROWS, -1));
  CHECK(w->grad->data[0] == wanted[1][0] && autograd_reset_iteration() == 0);
  VariableV2 *sum = ag_add(ag_linear_cross_entropy_ignoring(x, w, targets, ROWS, -1),
                           ag_linear_cross_entropy_ignoring(x, w, targets, ROWS, -1));
  CHECK(w->grad->data[0] == wanted[1][0] && autograd_backward(sum) == 0);
  for (int p = 0; p < 2; p++) {
    for (int i = 0; i < both[p]->data->size; i++) CHECK_CLOSE(both[p]->grad->data[i], -wanted[p][i] / 0.15, 1e-13);
  }
  autograd_reset_iteration();

  CHECK(!ag_linear_cross_entropy(x, w, targets, ROWS));
  CHECK_ERROR("ag_linear_cross_entropy: token -1 at position 3 is outside the vocabulary of 11");
  CHECK(!ag_linear_cross_entropy(x, w, targets, 2));
  CHECK_ERROR("ag_linear_cross_entropy: x [2, 150, 5] has 300 rows, count is 2");
  CHECK(!ag_linear_cross_entropy(w, x, targets, V));
  CHECK_ERROR("weight must be [vocabulary, 5]; got [2, 150, 5]");
  CHECK(!ag_linear_cross_entropy(w, w, NULL, V));
  CHECK_ERROR("the token list is NULL");
  optimizer_destroy(sgd);
  var_free_persistent(x);
  var_free_persistent(w);
}

/* The rows are the weight: one gradient gets both contributions. */
static void tied_linear_loss(void) {
  enum { N = 270 };
  static int targets[N];
  static double wanted[N * 2];
  for (int i = 0; i < N; i++) targets[i] = i * 7 % N;
  VariableV2 *w = parameter(SHAPE(N, 2), 2);
  CHECK(autograd_backward(compute_cross_entropy_loss(ag_matmul(w, ag_transpose(w)), targets, N)) == 0);
  for (int i = 0; i < 2 * N; i++) wanted[i] = w->grad->data[i];
  autograd_reset_iteration();
  CHECK(autograd_backward(ag_linear_cross_entropy(w, w, targets, N)) == 0);
  for (int i = 0; i < 2 * N; i++) CHECK_CLOSE(w->grad->data[i], wanted[i], 1e-14);
  var_free_persistent(w);
}

/* There is memory for a part of the logits. */
static void linear_loss_in_little_memory(void) {
  enum { N = 1024 };
  static int targets[N];
  VariableV2 *x = parameter(SHAPE(N, 4), 2), *w = parameter(SHAPE(N, 4), 2);
  CHECK(autograd_set_memory_limit(5 << 20) == 0);
  CHECK(autograd_backward(ag_linear_cross_entropy(x, w, targets, N)) == 0);
  autograd_reset_iteration();
  CHECK(!compute_cross_entropy_loss(ag_matmul(x, ag_transpose(w)), targets, N));
  CHECK_ERROR("ag_matmul: no memory for a tensor [1024, 1024]");
  autograd_set_memory_limit(0);
  var_free_persistent(x);
  var_free_persistent(w);
}

/* With equal scores token i weighs its i + 1 keys alike: what it gets counts those that stayed. */
static void dropped_attention(void) {
  enum { T = 400, C = 4 };
  const double rate = 0.25;
  VariableV2 *zeros = var_create_temp(tensor_zeros_temp(SHAPE(T, C), 2), true);
  VariableV2 *ones = var_create_temp(tensor_zeros_temp(SHAPE(T, C), 2), true);
  for (int i = 0; i < T * C; i++) ones->data->data[i] = 1;
  VariableV2 *y = ag_attention_dropout(zeros, zeros, ones, 2, rate);
  VariableV2 *other = ag_attention_dropout(zeros, zeros, ones, 2, rate);
  double kept = 0;
  int differ = 0;
  for (int i = 0; i < T; i++) {
    double count = y->data->data[i * C] * (i + 1) * (1 - rate);
    CHECK(fabs(count - round(count)) < 1e-9 && count > -0.5 && count < i + 1.5);
    kept += count;
    differ += y->data->data[i * C] != other->data->data[i * C];
    CHECK_CLOSE(y->data->data[i * C + 1], y->data->data[i * C], 1e-14);
  }
  CHECK(fabs(kept / (T * (T + 1) / 2) - (1 - rate)) < 0.01 && differ > T / 2);

  EXPECT(ag_attention_dropout(y, other, y, 2, 0), AXES(T, C), ag_attention(y, other, y, 2)->data->data, T * C);
  autograd_set_recording(false);
  EXPECT(ag_attention_dropout(y, other, y, 2, rate), AXES(T, C), ag_attention(y, other, y, 2)->data->data, T * C);
  autograd_set_recording(true);
  CHECK(!ag_attention_dropout(zeros, zeros, ones, 2, 1));
  CHECK_ERROR("ag_attention_dropout: a dropout rate of 1.0");
  CHECK(!ag_attention_dropout(zeros, zeros, ones, 3, rate));
  CHECK_ERROR("ag_attention_dropout: 4 channels do not split into 3 heads");
}

int main(void) {
  static void (*const parts[])(void) = {
      comparisons, choices,         picks,         reductions,       element_by_element, shapes,
      losses,      ignored_targets, linear_losses, tied_linear_loss, linear_loss_in_little_memory, dropped_attention};
  quiet();
  for (int i = 0; i < LENGTH(parts); i++) {
    parts[i]();
    CHECK(reported_errors == 0);
    CHECK(autograd_reset_iteration() == 0);
  }
  autograd_v2_cleanup();
  return 0;
}
