/* Custom operations through tape_add_op, tapes of the program's own, update loops and optimisers of its own. */
#include "check.h"

typedef struct Cube { VariableV2 *x; int calls; } Cube;

/* y = x³ */
static void cube_backward(void *ctx, TensorV2 *grad_output) {
  Cube *cube = ctx;
  cube->calls++;
  for (int i = 0; i < grad_output->size; i++) {
    double x = cube->x->data->data[i];
    cube->x->grad->data[i] += 3 * x * x * grad_output->data[i];
  }
}

static VariableV2 *cube(TapeV2 *tape, VariableV2 *x, Cube **state) {
  Cube *ctx = arena_alloc(global_arena, sizeof *ctx);
  VariableV2 *y = var_create_temp(tensor_create_temp(x->data->shape, x->data->rank), true);
  *ctx = (Cube){x, 0};
  if (state) *state = ctx;
  for (int i = 0; i < x->data->size; i++) y->data->data[i] = pow(x->data->data[i], 3);
  CHECK(tape_add_op(tape, &x, 1, y, cube_backward, ctx) == 0);
  return y;
}

static void gradients_of_custom_operations(VariableV2 *w) {
  Cube *state;
  VariableV2 *y = cube(g_tape, ag_scale(w, 2), &state);
  CHECK(g_tape->count == 2 && g_tape->ops[1].backward == cube_backward && g_tape->ops[1].ctx == state);
  CHECK(autograd_backward(ag_sum(y)) == 0);
  CHECK(state->calls == 1);
  for (int i = 0; i < 3; i++) CHECK_CLOSE(w->grad->data[i], 3 * 4 * 2 * pow(w->data->data[i], 2), 1e-12);
  autograd_reset_iteration();

  /* Straight into a parameter whose gradient is of an earlier iteration: it reads as zeros in the callback. */
  CHECK(autograd_backward(ag_sum(cube(g_tape, w, NULL))) == 0);
  for (int i = 0; i < 3; i++) CHECK_CLOSE(w->grad->data[i], 3 * pow(w->data->data[i], 2), 1e-12);
  autograd_reset_iteration();

  /* Not called where nothing flows. */
  cube(g_tape, w, &state);
  CHECK(autograd_backward(ag_sum(w)) == 0);
  CHECK(state->calls == 0);
  autograd_reset_iteration();
}

static void many_inputs(void) {
  enum { COUNT = 9 };
  VariableV2 *inputs[COUNT];
  TensorV2 *sum = tensor_zeros_temp((const int[]){1}, 1);
  for (int i = 0; i < COUNT; i++) {
    inputs[i] = var_create_temp(tensor_zeros_temp((const int[]){1}, 1), i != 4);
    CHECK((inputs[i]->grad != NULL) == (i != 4));
  }
  VariableV2 *y = var_create_temp(sum, true);
  CHECK(tape_add_op(g_tape, inputs, COUNT, y, cube_backward, &(Cube){inputs[0], 0}) == 0);
  CHECK(g_tape->ops[0].num_inputs == COUNT && g_tape->ops[0].inputs[8] == inputs[8]);
  CHECK(tape_add_op(g_tape, inputs, COUNT, y, cube_backward, NULL) == -1);
  CHECK_ERROR("another operation made the output");
  CHECK(tape_add_op(g_tape, NULL, 1, y, cube_backward, NULL) == -1);
  CHECK_ERROR("NULL");
  autograd_reset_iteration();
}

static void backward_again(void *ctx, TensorV2 *grad_output) {
  (void)grad_output;
  *(int *)ctx = tape_backward(g_tape) == -1 && autograd_reset_iteration() == -1;
}

static void misbehaving_callbacks(VariableV2 *w) {
  int refused = 0;
  VariableV2 *y = var_create_temp(tensor_zeros_temp((const int[]){1}, 1), true);
  CHECK(tape_add_op(g_tape, &w, 1, y, backward_again, &refused) == 0);
  y->grad->data[0] = 1;
  CHECK(tape_backward(g_tape) == 0);
  CHECK(refused);
  CHECK_ERROR("a backward is running");
  autograd_reset_iteration();
}

static void own_tapes(VariableV2 *w) {
  TapeV2 *tape = tape_create();
  VariableV2 *y = cube(tape, w, NULL), *z = cube(g_tape, w, NULL);
  CHECK(tape->count == 1 && g_tape->count == 1);
  y->grad->data[0] = z->grad->data[0] = 1;
  CHECK(tape_backward(tape) == 0);
  CHECK_CLOSE(w->grad->data[0], 3 * pow(w->data->data[0], 2), 1e-12);
  CHECK(tape_backward(g_tape) == 0);
  CHECK_CLOSE(w->grad->data[0], 6 * pow(w->data->data[0], 2), 1e-12);
  cube(tape, w, NULL)->grad->data[0] = 1;
  tape_reset(tape);
  CHECK(tape->count == 0 && tape_backward(tape) == -1);
  reported_errors = 0;
  tape_destroy(tape);
  CHECK(tape_backward(tape) == -1);
  CHECK_ERROR("does not belong");
  tape_destroy(g_tape);
  CHECK_ERROR("g_tape belongs to its context");
  autograd_reset_iteration();
}

/* The update loop of the quick start, and both optimisers: w should become 3. */
static void updates(void) {
  VariableV2 *w = parameter((const int[]){4}, 1);
  TensorV2 *three = tensor_create_persistent((const int[]){1}, 1);
  three->data[0] = 3;
  VariableV2 *goal = var_create_persistent(three, false);
  OptimizerV2 *sgd = optimizer_create(&w, 1, 0.1);
  AdamOptimizerV2 *adam = adam_create(0.05);
  adam_add_param(adam, w);
  for (int way = 0; way < 3; way++) {
    for (int i = 0; i < 4; i++) w->data->data[i] = i - 1.5;
    for (int iteration = 0; iteration < 600; iteration++) {
      VariableV2 *error = ag_subtract(w, goal), *loss = ag_sum(ag_multiply(error, error));
      loss->grad->data[0] = 1.0;
      CHECK(tape_backward(g_tape) == 0);
      if (way == 0) {
        for (int i = 0; i < 4; i++) w->data->data[i] -= 0.1 * w->grad->data[i];
      } else {
        CHECK((way == 1 ? optimizer_step(sgd) : adam_step(adam)) == 0);
      }
      autograd_reset_iteration();
    }
    for (int i = 0; i < 4; i++) CHECK_CLOSE(w->data->data[i], 3.0, 1e-3);
  }
  CHECK(w->grad->data[0] != 0);
  optimizer_zero_grad(sgd);
  CHECK(w->grad->data[0] == 0 && adam->step_count == 600 && adam->n_params == 1 && adam->params[0] == w);

  /* Gradients that a failed backward left are not stepped with. */
  VariableV2 *y = ag_sum(w), *late = NULL;
  CHECK(autograd_backward(y) == 0);
  late = ag_scale(y, 2);
  CHECK(autograd_backward(late) == -1 && adam_step(adam) == -1);
  CHECK_ERROR("gradients are incomplete");
  autograd_reset_iteration();
  adam_free(adam);
  optimizer_destroy(sgd);
  var_free_persistent(w);
  var_free_persistent(goal);
}

int main(void) {
  quiet();
  VariableV2 *w = parameter((const int[]){3}, 1);
  gradients_of_custom_operations(w);
  many_inputs();
  misbehaving_callbacks(w);
  own_tapes(w);
  updates();
  var_free_persistent(w);
  autograd_v2_cleanup();
  return 0;
}
