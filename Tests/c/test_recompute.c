/* ag_recompute: the same bits as without it in a fraction of the memory, and what a part may not do. */
#include "check.h"
#include "transformer_v2.h"

#define SHAPE(...) (const int[]){__VA_ARGS__}

enum { LAYERS = 3, T = 24, CHANNELS = 16, VOCABULARY = 11 };

typedef struct Layer { TransformerBlock *block; double rate; int runs; } Layer;

static VariableV2 *layer_forward(VariableV2 *x, void *user) {
  Layer *layer = user;
  layer->runs++;
  return ag_dropout(block_forward(layer->block, ag_dropout(x, layer->rate)), layer->rate);
}

static VariableV2 *pair_forward(VariableV2 *x, void *user) {
  Layer *layers = user;
  return ag_recompute(ag_recompute(x, layer_forward, &layers[0]), layer_forward, &layers[1]);
}

enum { PLAIN, PARTS, NESTED, WAYS };

/* Two steps of Adam: the losses, and all weights and gradients after them. */
static double *train(int way, size_t *used, int *count) {
  int tokens[T], targets[T], params;
  Layer layers[LAYERS];
  VariableV2 **list;
  autograd_set_seed(5);
  TransformerV2 *model = transformer_create(VOCABULARY, CHANNELS, 2, LAYERS, 4 * CHANNELS, T);
  AdamOptimizerV2 *adam = adam_create(0.01);
  CHECK(model && transformer_get_params(model, &list, &params) == 0);
  for (int i = 0; i < params; i++) CHECK(adam_add_param(adam, list[i]) == 0);
  for (int i = 0; i < T; i++) tokens[i] = i * 7 % VOCABULARY, targets[i] = i * 5 % VOCABULARY;
  for (int i = 0; i < LAYERS; i++) layers[i] = (Layer){model->blocks[i], 0.2, 0};
  double losses[2];
  for (int step = 0; step < 2; step++) {
    VariableV2 *x = ag_embedding(model->token_embed, tokens, T);
    for (int i = 0; i < LAYERS; i++) {
      if (way == NESTED && i == 0) x = ag_recompute(x, pair_forward, layers), i = 2;
      x = way == PLAIN ? layer_forward(x, &layers[i]) : ag_recompute(x, layer_forward, &layers[i]);
      CHECK(x);
    }
    /* Its draws must not depend on how the layers were computed. */
    x = linear_forward(model->lm_head, layer_norm_forward(model->ln_final, ag_dropout(x, 0.1)));
    VariableV2 *loss = compute_cross_entropy_loss(x, targets, T);
    *used = arena_get_used(global_arena);
    losses[step] = loss->data->data[0];
    CHECK(autograd_backward(loss) == 0 && adam_step(adam) == 0 && autograd_reset_iteration() == 0);
  }
  for (int i = 0; i < LAYERS; i++) CHECK(layers[i].runs == 2 * (way == PLAIN ? 1 : way == NESTED && i < 2 ? 3 : 2));
  *count = 2;
  for (int i = 0; i < params; i++) *count += 2 * list[i]->data->size;
  double *all = malloc(sizeof(double) * (size_t)*count), *next = all;
  for (int i = 0; i < 2; i++) *next++ = losses[i];
  for (int i = 0; i < params; i++) {
    for (int j = 0; j < list[i]->data->size; j++) *next++ = list[i]->data->data[j], *next++ = list[i]->grad->data[j];
  }
  free(list);
  adam_free(adam);
  transformer_free(model);
  return all;
}

static void same_bits(void) {
  double *numbers[WAYS];
  size_t used[WAYS];
  int count;
  for (int way = 0; way < WAYS; way++) numbers[way] = train(way, &used[way], &count);
  CHECK(numbers[0][0] > 1 && numbers[0][0] != numbers[0][1]);
  for (int way = 1; way < WAYS; way++) {
    CHECK(memcmp(numbers[way], numbers[0], sizeof(double) * (size_t)count) == 0);
    CHECK(used[way] < used[0] / 4);
  }
  for (int way = 0; way < WAYS; way++) free(numbers[way]);
}

/* ---------------------------------------------------------------------------------------------------------------
 * Operations of the program's own inside of a part. */

typedef struct Square { VariableV2 *x; int *calls; } Square;

static void square_backward(void *ctx, TensorV2 *grad_output) {
  Square *square = ctx;
  TensorV2 *both = tensor_multiply(square->x->data, grad_output);
  ++*square->calls;
  for (int i = 0; i < both->size; i++) square->x->grad->data[i] += 2 * both->data[i];
}

static VariableV2 *square(VariableV2 *x, int *calls) {
  VariableV2 *y = var_create_temp(tensor_multiply(x->data, x->data), true);
  Square *ctx = arena_alloc(global_arena, sizeof *ctx);
  *ctx = (Square){x, calls};
  CHECK(tape_add_op(g_tape, &x, 1, y, square_backward, ctx) == 0);
  return y;
}

/* x²·w; the square of w leads nowhere. */
static VariableV2 *custom_part(VariableV2 *x, void *user) {
  void **both = user;
  CHECK(square(both[0], both[2]));
  return ag_multiply(square(x, both[1]), both[0]);
}

static void custom_operations(VariableV2 *w) {
  int calls = 0, stray = 0;
  VariableV2 *x = ag_scale(w, 1), *y = ag_recompute(x, custom_part, (void *[]){w, &calls, &stray});
  CHECK(y && calls == 0 && g_tape->count == 2);
  CHECK(g_tape->ops[1].output == y && g_tape->ops[1].num_inputs == 2);
  CHECK(g_tape->ops[1].inputs[0] == x && g_tape->ops[1].inputs[1] == w);
  autograd_reset_iteration();
  void *user[] = {w, &calls, &stray};
  y = ag_recompute(ag_scale(w, 1), custom_part, user);
  /* Recording is off when backward comes, and the seed is another. */
  autograd_set_recording(false);
  for (int i = 0; i < 3; i++) y->grad->data[i] = i + 1;
  CHECK(tape_backward(g_tape) == 0 && calls == 1 && stray == 0 && g_tape->count == 2);
  autograd_set_recording(true);
  for (int i = 0; i < 3; i++) {
    double v = w->data->data[i];
    CHECK_CLOSE(y->data->data[i], v * v * v, 1e-14);
    CHECK_CLOSE(w->grad->data[i], (i + 1) * 3 * v * v, 1e-14);
  }
  CHECK(tape_backward(g_tape) == -1);
  CHECK_ERROR("walked by an earlier backward");
  autograd_reset_iteration();
}

/* ---------------------------------------------------------------------------------------------------------------
 * Gradients against differences: a loss inside, a persistent x, a constant from outside, the argument as the result. */

static VariableV2 *loss_part(VariableV2 *x, void *user) {
  return ag_linear_cross_entropy(ag_tanh(x), user, SHAPE(1, 0), 2);
}

static VariableV2 *constant_part(VariableV2 *x, void *user) { return ag_multiply(x, user); }
static VariableV2 *same_part(VariableV2 *x, void *user) { return user ? user : x; }

static VariableV2 *whole_loss(void *user) {
  VariableV2 **both = user, *ones = var_create_temp(tensor_zeros_temp(SHAPE(2, 3), 2), false);
  for (int i = 0; i < 6; i++) ones->data->data[i] = 1 + i;
  VariableV2 *x = ag_recompute(ag_recompute(both[0], same_part, NULL), constant_part, ones);
  VariableV2 *w = ag_recompute(x, same_part, both[1]);
  return ag_add(ag_recompute(x, loss_part, both[1]), ag_sum(ag_multiply(w, w)));
}

static void gradients(void) {
  VariableV2 *both[] = {parameter(SHAPE(2, 3), 2), parameter(SHAPE(4, 3), 2)};
  CHECK(autograd_check_gradients(whole_loss, both, both, 2, 1e-6) == 0);
  autograd_reset_iteration();
  CHECK(autograd_backward(whole_loss(both)) == 0 && both[1]->grad->data[0] != 0);
  /* The next backward does not reach what only parts used: no gradient of an earlier iteration stays. */
  autograd_reset_iteration();
  CHECK(strstr(autograd_explain_gradients(&both[1], 1), "of an earlier iteration"));
  CHECK(autograd_backward(ag_sum(both[0])) == 0 && both[1]->grad->data[0] == 0);
  CHECK(strstr(autograd_explain_gradients(&both[1], 1), "no operation of this iteration used it"));
  autograd_reset_iteration();
  CHECK(ag_recompute(both[0], loss_part, both[1]));
  CHECK(strstr(autograd_explain_gradients(&both[1], 1), "no backward ran") || both[1]->grad->data[0] != 0);
  autograd_reset_iteration();
  /* x is freed before backward. */
  VariableV2 *loss = ag_recompute(both[0], loss_part, both[1]);
  var_free_persistent(both[0]);
  CHECK(autograd_backward(loss) == 0 && both[1]->grad->data[0] != 0);
  var_free_persistent(both[1]);
  autograd_reset_iteration();
}

static void without_recording(VariableV2 *w) {
  autograd_set_recording(false);
  VariableV2 *y = ag_recompute(w, same_part, NULL), *z = ag_recompute(y, constant_part, w);
  CHECK(z && !z->requires_grad && g_tape->count == 0 && y->data->data != w->data->data);
  for (int i = 0; i < 3; i++) CHECK_CLOSE(z->data->data[i], w->data->data[i] * w->data->data[i], 1e-15);
  autograd_set_recording(true);
  autograd_reset_iteration();
}

/* ---------------------------------------------------------------------------------------------------------------
 * What a part may not do. */

static VariableV2 *kept;
static TensorV2 *kept_tensor;

static VariableV2 *leaking_part(VariableV2 *x, void *user) {
  kept = user ? ag_exp(x) : x;
  kept_tensor = tensor_relu(x->data);
  return ag_scale(x, 2);
}

static void stale_handles(VariableV2 *w) {
  for (int way = 0; way < 2; way++) {
    VariableV2 *y = ag_recompute(w, leaking_part, way ? w : NULL);
    for (int walked = 0; walked < 2; walked++) {
      CHECK(y && !ag_relu(kept));
      CHECK_ERROR("ag_relu: the variable was made in a part that is recomputed, and ended with it");
      CHECK(!tensor_relu(kept_tensor) && !var_create_temp(kept_tensor, true));
      CHECK_ERROR("the tensor was made in a part");
      if (!walked) CHECK(autograd_backward(ag_sum(y)) == 0);
    }
    CHECK(w->grad->data[0] == 2);
    autograd_reset_iteration();
    CHECK(!ag_relu(kept));
    CHECK_ERROR("was made in a part");
  }
}

static VariableV2 *failing_part(VariableV2 *x, void *user) {
  (void)user;
  return ag_matmul(ag_exp(x), x);
}

static VariableV2 *silent_part(VariableV2 *x, void *user) {
  (void)x;
  (void)user;
  return NULL;
}

static VariableV2 *greedy_part(VariableV2 *x, void *user) { return ag_add(x, user); }

static VariableV2 *other_tape_part(VariableV2 *x, void *user) {
  VariableV2 *y = var_create_temp(x->data, true);
  return tape_add_op(user, &x, 1, y, square_backward, NULL) == 0 ? y : NULL;
}

static VariableV2 *meddling_part(VariableV2 *x, void *user) {
  static int runs;
  VariableV2 *y = ag_sum(x);
  tape_reset(g_tape);
  autograd_v2_cleanup();
  CHECK(autograd_backward(y) == -1 && tape_backward(g_tape) == -1 && autograd_reset_iteration() == -1);
  CHECK(autograd_context_use(user) == -1 && autograd_set_threads(1) == -1);
  CHECK_ERROR(runs++ == 0 ? "a part that is recomputed is running" : "a backward is running");
  return y;
}

static void misuse(VariableV2 *w) {
  VariableV2 *x = ag_exp(w), *y = ag_scale(w, 2);
  size_t used = arena_get_used(global_arena);
  int count = g_tape->count;
  CHECK(!ag_recompute(x, failing_part, NULL));
  CHECK_ERROR("ag_matmul: expected matrices");
  CHECK(!ag_recompute(x, silent_part, NULL));
  CHECK_ERROR("the part's result is NULL");
  CHECK(!ag_recompute(x, greedy_part, y));
  CHECK_ERROR("uses a variable of shape [3] from outside that needs a gradient");
  CHECK(!ag_recompute(x, greedy_part, x));
  CHECK_ERROR("use the x that the part is given");
  TapeV2 *tape = tape_create();
  CHECK(!ag_recompute(x, other_tape_part, tape));
  CHECK_ERROR("records on another tape");
  CHECK(tape->count == 0);
  tape_destroy(tape);
  CHECK(!ag_recompute(x, NULL, NULL));
  CHECK_ERROR("the function that computes the part is NULL");
  CHECK(arena_get_used(global_arena) == used && g_tape->count == count);

  AutogradContext *other = autograd_context_create();
  y = ag_recompute(x, meddling_part, other);
  CHECK(y && autograd_backward(y) == 0);
  autograd_context_destroy(other);
  for (int i = 0; i < 3; i++) CHECK(w->grad->data[i] == x->data->data[i]);
  autograd_reset_iteration();
  CHECK(!ag_recompute(ag_exp(w), silent_part, NULL));
  CHECK_ERROR("the part's result is NULL");
  autograd_reset_iteration();
}

static VariableV2 *large_part(VariableV2 *x, void *user) {
  CHECK(ag_exp(x));
  return user;
}

/* The part's own memory is there, that for a copy of what it returns is not. */
static void no_memory(VariableV2 *w) {
  VariableV2 *large = parameter(SHAPE(1 << 16), 1);
  CHECK(ag_recompute(w, large_part, large));
  autograd_reset_iteration();
  CHECK(autograd_set_memory_limit(1 << 17) == 0);
  CHECK(!ag_recompute(w, large_part, large));
  CHECK_ERROR("ag_recompute: no memory for a tensor [65536]");
  CHECK(g_tape->count == 0 && arena_get_used(global_arena) == 0 && tape_backward(g_tape) == -1);
  CHECK_ERROR("no operation is on the tape");
  autograd_set_memory_limit(0);
  var_free_persistent(large);
  autograd_reset_iteration();
}

typedef struct Changing { int runs, shape[1], frozen, fails; } Changing;

static VariableV2 *changing_part(VariableV2 *x, void *user) {
  Changing *c = user;
  c->runs++;
  if (c->runs == 2 && c->fails) return failing_part(x, NULL);
  if (c->runs == 2 && c->frozen) return var_create_temp(x->data, false);
  return c->runs == 1 ? ag_exp(x) : ag_slice(x, 0, 0, 2);
}

/* A part that does not compute the same again fails the backward, which leaves no half of it behind. */
static void changes(VariableV2 *w) {
  Changing ways[] = {{0, {0}, 0, 0}, {0, {0}, 1, 0}, {0, {0}, 0, 1}};
  static const char *const words[] = {
      "the part gave shape [3] in forward and [2] in backward", "needs no gradient", "expected matrices"};
  for (int way = 0; way < 3; way++) {
    OptimizerV2 *sgd = optimizer_create(&w, 1, 0.1);
    VariableV2 *y = ag_recompute(w, changing_part, &ways[way]);
    y->grad->data[0] = 1;
    size_t used = arena_get_used(global_arena);
    CHECK(tape_backward(g_tape) == -1);
    CHECK_ERROR(words[way]);
    CHECK(g_tape->count == 1 && arena_get_used(global_arena) == used && optimizer_step(sgd) == -1);
    CHECK_ERROR("gradients are incomplete");
    CHECK(tape_backward(g_tape) == -1);
    CHECK_ERROR("walked by an earlier backward");
    optimizer_destroy(sgd);
    autograd_reset_iteration();
  }
}

int main(void) {
  quiet();
  same_bits();
  VariableV2 *w = parameter(SHAPE(3), 1);
  custom_operations(w);
  gradients();
  without_recording(w);
  stale_handles(w);
  misuse(w);
  no_memory(w);
  changes(w);
  CHECK(reported_errors == 0);
  var_free_persistent(w);
  autograd_v2_cleanup();
  return 0;
}
