/* Tensors, variables, operations, gradients, errors. */
#include <limits.h>

#include "check.h"
#include "transformer_v2.h"

static void tensors(void) {
  int shape[] = {2, 3};
  TensorV2 *a = tensor_create_temp(shape, 2), *b = tensor_create_temp(shape, 2);
  CHECK(a && a->rank == 2 && a->size == 6 && a->shape[0] == 2 && a->shape[1] == 3);
  CHECK(a->storage == TENSOR_TEMPORARY);
  for (int i = 0; i < 6; i++) a->data[i] = i - 2, b->data[i] = 10 * i;
  CHECK(tensor_add(a, b)->data[5] == 53);
  CHECK(tensor_subtract(a, b)->data[5] == -47);
  CHECK(tensor_multiply(a, b)->data[5] == 150);
  CHECK(tensor_sum(b) == 150);
  CHECK(tensor_relu(a)->data[0] == 0 && tensor_relu(a)->data[5] == 3);
  TensorV2 *t = tensor_transpose(a);
  CHECK(t->shape[0] == 3 && t->shape[1] == 2 && t->data[1] == 1);
  TensorV2 *p = tensor_matmul(a, t);
  CHECK(p->shape[0] == 2 && p->shape[1] == 2 && p->data[0] == 5);
  TensorV2 *s = tensor_softmax(a);
  CHECK_CLOSE(s->data[0] + s->data[1] + s->data[2], 1.0, 1e-15);
  TensorV2 *clone = tensor_clone_temp(b);
  clone->data[0] = 7;
  CHECK(b->data[0] == 0);

  TensorV2 *number = tensor_zeros_temp(NULL, 0);
  CHECK(number && number->rank == 0 && number->size == 1 && number->data[0] == 0);
  int empty_shape[] = {3, 0};
  TensorV2 *empty = tensor_create_persistent(empty_shape, 2);
  CHECK(empty && empty->size == 0 && empty->data && tensor_sum(empty) == 0);
  tensor_free_persistent(empty);

  int xavier_shape[] = {300, 500};
  TensorV2 *weight = tensor_create_persistent(xavier_shape, 2);
  tensor_init_xavier(weight);
  double square = 0;
  for (int i = 0; i < weight->size; i++) square += weight->data[i] * weight->data[i];
  CHECK_CLOSE(square / weight->size * 800 / 2, 1.0, 0.02);
  tensor_free_persistent(weight);
  autograd_reset_iteration();
}

static void bad_shapes(void) {
  int negative[] = {3, -1}, huge[] = {65536, 65536, 65536, 65536}, large[] = {65536, 32768};
  CHECK(!tensor_create_persistent(negative, 2));
  CHECK_ERROR("negative");
  CHECK(!tensor_create_temp(huge, 4));
  CHECK_ERROR("more elements");
  CHECK(!tensor_create_temp(large, 2));
  CHECK_ERROR("2147483648 elements");
  CHECK(!tensor_create_temp(huge, 9));
  CHECK_ERROR("9 axes");
  CHECK(!tensor_create_temp(NULL, 2));
  CHECK_ERROR("NULL");
  VariableV2 *long_one = var_create_temp(tensor_create_temp((const int[]){0, INT_MAX}, 2), true);
  CHECK(!ag_concat((VariableV2 *[]){long_one, long_one}, 2, 1));
  CHECK_ERROR("ag_concat: axis 1 of shape [0, 4294967294] is too long");
  CHECK(!arena_alloc(global_arena, SIZE_MAX) && !arena_alloc(global_arena, (size_t)1 << 63));
  CHECK_ERROR("no memory");
  CHECK(!arena_calloc(global_arena, (size_t)1 << 62, 8));
  CHECK_ERROR("more than any memory");
  CHECK(arena_alloc(global_arena, 0));
  autograd_reset_iteration();
}

/* Results that an int cannot count are refused before they are computed: there is memory for a fraction of them. */
static void large_results(void) {
  enum { SIDE = 65536 };
  VariableV2 *left = var_create_temp(tensor_create_temp((const int[]){SIDE, 0}, 2), true);
  VariableV2 *right = var_create_temp(tensor_create_temp((const int[]){0, SIDE}, 2), true);
  VariableV2 *column = parameter((const int[]){SIDE, 1}, 2), *row = parameter((const int[]){1, SIDE}, 2);
  VariableV2 *mask = parameter((const int[]){1}, 1);
  static VariableV2 *parts[SIDE];
  static int zeros[SIDE];
  for (int i = 0; i < SIDE; i++) parts[i] = row;
  Linear *wide = linear_create(1, SIDE);
  TransformerV2 *model = transformer_create(SIDE, 1, 1, 0, 1, SIDE);
  CHECK(wide && model && autograd_set_memory_limit(16 << 20) == 0);

  CHECK(!ag_matmul(left, right));
  CHECK_ERROR("ag_matmul: shape [65536, 65536] has 4294967296 elements; a tensor holds at most 2147483647");
  CHECK(!tensor_matmul(left->data, right->data));
  CHECK_ERROR("tensor_matmul: shape [65536, 65536] has 4294967296 elements");
  CHECK(!tensor_add(column->data, row->data));
  CHECK_ERROR("tensor_add: shape [65536, 65536] has 4294967296 elements");
  static VariableV2 *(*const binary[])(VariableV2 *, VariableV2 *) = {ag_add, ag_divide, ag_power, ag_less, ag_matmul};
  for (int i = 0; i < 5; i++) {
    CHECK(!binary[i](column, row));
    CHECK_ERROR("shape [65536, 65536] has 4294967296 elements");
  }
  CHECK(!ag_where(mask, column, row));
  CHECK_ERROR("ag_where: shape [65536, 65536] has 4294967296 elements");
  CHECK(!ag_matmul(var_reshape(column, (const int[]){SIDE / 2, 2, 1}, 3), row));
  CHECK_ERROR("ag_matmul: shape [32768, 2, 65536] has 4294967296 elements");
  CHECK(!ag_concat(parts, SIDE, 0));
  CHECK_ERROR("ag_concat: shape [65536, 65536] has 4294967296 elements");
  CHECK(!ag_stack(parts, SIDE, 0));
  CHECK_ERROR("ag_stack: shape [65536, 1, 65536] has 4294967296 elements");
  CHECK(!ag_embedding(row, zeros, SIDE));
  CHECK_ERROR("ag_embedding: shape [65536, 65536] has 4294967296 elements");
  CHECK(!linear_forward(wide, column));
  CHECK_ERROR("linear_forward: shape [65536, 65536] has 4294967296 elements");
  CHECK(!transformer_forward(model, zeros, SIDE));
  CHECK_ERROR("transformer_forward: shape [65536, 65536] has 4294967296 elements");

  autograd_set_memory_limit(0);
  linear_free(wide);
  transformer_free(model);
  var_free_persistent(column);
  var_free_persistent(row);
  var_free_persistent(mask);
  autograd_reset_iteration();
}

static void broadcasting(void) {
  int matrix[] = {2, 3}, row[] = {3}, column[] = {2, 1};
  VariableV2 *a = parameter(matrix, 2), *b = parameter(row, 1), *c = parameter(column, 2);
  VariableV2 *y = ag_multiply(ag_add(a, b), c);
  CHECK(y && y->data->size == 6);
  for (int i = 0; i < 6; i++) {
    CHECK_CLOSE(y->data->data[i], (a->data->data[i] + b->data->data[i % 3]) * c->data->data[i / 3], 1e-15);
    y->grad->data[i] += i + 1;
  }
  CHECK(tape_backward(g_tape) == 0);
  for (int i = 0; i < 3; i++) {
    CHECK_CLOSE(b->grad->data[i], (i + 1) * c->data->data[0] + (i + 4) * c->data->data[1], 1e-15);
  }
  for (int r = 0; r < 2; r++) {
    double sum = 0;
    for (int i = 0; i < 3; i++) sum += (3 * r + i + 1) * (a->data->data[3 * r + i] + b->data->data[i]);
    CHECK_CLOSE(c->grad->data[r], sum, 1e-15);
  }
  int reversed[] = {3, 2};
  VariableV2 *d = parameter(reversed, 2);
  CHECK(!ag_add(a, d));
  CHECK_ERROR("ag_add: shapes [2, 3] and [3, 2] do not fit");
  CHECK(!ag_clip(a, 1, -1));
  CHECK_ERROR("ag_clip: the bounds 1.0 and -1.0");
  VariableV2 *chain = ag_relu(ag_softmax(ag_add(ag_matmul(a, a), a)));
  CHECK(!chain && reported_errors == 1);
  CHECK_ERROR("ag_matmul: shapes [2, 3] and [2, 3] do not fit: 3 columns against 2 rows");
  autograd_reset_iteration();
  CHECK(!ag_add(a, NULL));
  CHECK_ERROR("argument 2 is NULL");
  var_free_persistent(a);
  CHECK(!ag_relu(a));
  CHECK_ERROR("was freed");
  var_free_persistent(b);
  var_free_persistent(c);
  var_free_persistent(d);
}

static void seeds_and_walks(void) {
  int shape[] = {2};
  VariableV2 *w = parameter(shape, 1);
  CHECK(tape_backward(g_tape) == -1);
  CHECK_ERROR("no operation is on the tape");
  VariableV2 *y = ag_multiply(w, w);
  CHECK(g_tape->count == 1 && g_tape->ops[0].num_inputs == 2 && g_tape->ops[0].inputs[0] == w);
  CHECK(g_tape->ops[0].output == y && g_tape->ops[0].backward == NULL);
  CHECK(tape_backward(g_tape) == -1);
  CHECK_ERROR("no variable has a gradient to start from");
  y->grad->data[0] = 1;
  CHECK(tape_backward(g_tape) == 0);
  CHECK_CLOSE(w->grad->data[0], 2 * w->data->data[0], 1e-15);
  CHECK(w->grad->data[1] == 0);
  CHECK(tape_backward(g_tape) == -1);
  CHECK_ERROR("walked by an earlier backward");

  /* A second forward and backward of the same iteration add up: a batch by accumulation. */
  double first = w->grad->data[0];
  VariableV2 *z = ag_sum(ag_multiply(w, w));
  CHECK(autograd_backward(z) == 0);
  CHECK_CLOSE(w->grad->data[0], first + 2 * w->data->data[0], 1e-15);
  CHECK(z->grad->data[0] == 1 && y->grad->data[0] == 1);

  /* A loss through what was walked cannot be walked again, and nothing changes then. */
  VariableV2 *late = ag_sum(y);
  double before = w->grad->data[0];
  CHECK(autograd_backward(late) == -1);
  CHECK_ERROR("walked by an earlier backward");
  CHECK(w->grad->data[0] == before);

  /* A reset makes gradients stale: readable, and the next backward starts from zero. */
  CHECK(autograd_reset_iteration() == 0);
  CHECK(w->grad->data[0] == before);
  CHECK(autograd_backward(ag_sum(w)) == 0);
  CHECK(w->grad->data[0] == 1);

  /* Several seeds, on variables that are not numbers. */
  autograd_reset_iteration();
  VariableV2 *p = ag_scale(w, 3), *q = ag_scale(w, 5);
  p->grad->data[0] += 1;
  q->grad->data[1] += 1;
  CHECK(tape_backward(g_tape) == 0);
  CHECK(w->grad->data[0] == 3 && w->grad->data[1] == 5);

  /* A backward that does not reach a parameter leaves no gradient of an earlier iteration in it. */
  VariableV2 *other = parameter(shape, 1);
  autograd_reset_iteration();
  CHECK(autograd_backward(ag_sum(other)) == 0);
  CHECK(w->grad->data[0] == 0 && w->grad->data[1] == 0);

  /* Accumulating over iterations is explicit. */
  autograd_accumulate_gradients(true);
  autograd_reset_iteration();
  CHECK(autograd_backward(ag_sum(other)) == 0);
  CHECK(other->grad->data[0] == 2);
  autograd_accumulate_gradients(false);
  autograd_reset_iteration();
  var_zero_grad(other);
  other->grad->data[0] = 10;
  CHECK(autograd_backward(ag_sum(other)) == 0);
  CHECK(other->grad->data[0] == 11 && other->grad->data[1] == 1);

  /* Frozen by its member. */
  w->requires_grad = false;
  autograd_reset_iteration();
  CHECK(!ag_sum(w)->requires_grad);
  CHECK(strstr(autograd_explain_gradients(&w, 1), "requires_grad is false"));
  w->requires_grad = true;
  CHECK(strstr(autograd_explain_gradients(&w, 1), "zero"));
  var_free_persistent(w);
  var_free_persistent(other);
  autograd_reset_iteration();
}

static void stale_handles(void) {
  int shape[] = {4};
  VariableV2 *w = parameter(shape, 1);
  for (int age = 1; age <= 16; age++) {
    VariableV2 *kept = NULL;
    TensorV2 *kept_tensor = NULL;
    for (int iteration = 0; iteration <= age; iteration++) {
      VariableV2 *y = ag_multiply(w, w), *z = ag_sum(y);
      TensorV2 *t = tensor_zeros_temp(shape, 1);
      CHECK(y && z && t && autograd_backward(z) == 0);
      if (iteration == 0) kept = y, kept_tensor = t;
      if (iteration == age) break;
      autograd_reset_iteration();
    }
    CHECK(!ag_relu(kept));
    CHECK_ERROR("used in step");
    CHECK(!tensor_relu(kept_tensor));
    CHECK_ERROR("tensor of step");
    CHECK(tape_add_op(g_tape, &kept, 1, kept, NULL, NULL) == -1);
    reported_errors = 0;
    CHECK(autograd_backward(kept) == -1);
    CHECK_ERROR("variable of step");
    autograd_reset_iteration();
  }
  VariableV2 *y = ag_relu(w);
  autograd_v2_cleanup();
  CHECK(!ag_relu(y));
  CHECK_ERROR("a context that was closed");
  CHECK(ag_relu(w));
  var_free_persistent(w);
}

static void recording(void) {
  autograd_reset_iteration();
  VariableV2 *w = parameter((const int[]){3}, 1);
  CHECK(autograd_set_recording(false));
  VariableV2 *y = ag_multiply(w, w);
  CHECK(y && !y->requires_grad && !y->grad && g_tape->count == 0);
  CHECK_CLOSE(y->data->data[1], w->data->data[1] * w->data->data[1], 1e-15);
  CHECK(!autograd_set_recording(true));
  CHECK(ag_multiply(w, w)->requires_grad && g_tape->count == 1);
  var_free_persistent(w);
  autograd_reset_iteration();
}

static void not_ours(void) {
  TensorV2 made_by_hand;
  memset(&made_by_hand, 0, sizeof made_by_hand);
  CHECK(!tensor_relu(&made_by_hand));
  CHECK_ERROR("not a tensor of this library");
  int shape[] = {2};
  TensorV2 *t = tensor_create_persistent(shape, 1);
  VariableV2 *v = var_create_persistent(t, true);
  CHECK(v->grad && v->grad->data[1] == 0);
  CHECK(!var_create_persistent(t, true));
  CHECK_ERROR("another variable has taken this tensor over");
  tensor_free_persistent(t);
  CHECK_ERROR("a variable owns this tensor");
  CHECK(!var_create_persistent(tensor_create_temp(shape, 1), true));
  CHECK_ERROR("needs a persistent tensor");
  /* The arena sees to temporaries. */
  var_free_persistent(ag_relu(v));
  tensor_free_persistent(tensor_create_temp(shape, 1));
  CHECK(reported_errors == 0);
  VariableV2 *loss = ag_sum(ag_multiply(v, v));
  var_free_persistent(v);
  CHECK(autograd_backward(loss) == 0);
  var_free_persistent(v);
  CHECK_ERROR("was freed");
  autograd_reset_iteration();
}

static void live_members(void) {
  int shape[] = {3};
  TensorV2 *t = tensor_create_temp(shape, 1);
  VariableV2 *x = var_create_temp(t, true);
  for (int i = 0; i < 3; i++) x->data->data[i] = i;
  VariableV2 *y = ag_multiply(x, x);
  CHECK(y->data->data[2] == 4);
  y->grad->data[2] = 1;
  CHECK(tape_backward(g_tape) == 0);
  CHECK(x->grad->data[2] == 4 && x->grad->data[1] == 0);
  /* Another tensor in the variable's place. */
  TensorV2 *u = tensor_zeros_temp(shape, 1);
  u->data[0] = 6;
  x->data = u;
  CHECK(ag_multiply(x, x)->data->data[0] == 36);
  x->data->size = 2;
  CHECK(!ag_relu(x));
  CHECK_ERROR("changed by hand");
  autograd_reset_iteration();
}

static void limits(void) {
  CHECK(autograd_set_memory_limit(1 << 20) == 0);
  int shape[] = {1000};
  int made = 0;
  while (tensor_create_temp(shape, 1) && made < 1000) made++;
  CHECK(made > 50 && made < 200);
  CHECK_ERROR("autograd_reset_iteration()");
  autograd_reset_iteration();
  CHECK(tensor_create_temp(shape, 1));
  CHECK(autograd_set_memory_limit(0) == 0);
  VariableV2 *w = parameter(shape, 1);
  w->data->data[0] = 0;
  autograd_set_anomaly_mode(true);
  CHECK(!ag_log(w));
  CHECK_ERROR("ag_log: the result has");
  autograd_set_anomaly_mode(false);
  var_free_persistent(w);
  autograd_reset_iteration();
}

int main(void) {
  quiet();
  autograd_v2_init();
  autograd_v2_init();
  tensors();
  bad_shapes();
  large_results();
  broadcasting();
  seeds_and_walks();
  stale_handles();
  recording();
  not_ours();
  live_members();
  limits();
  CHECK(strcmp(autograd_version(), AUTOGRAD_V2_VERSION) == 0);
  autograd_v2_cleanup();
  autograd_v2_cleanup();
  return 0;
}
