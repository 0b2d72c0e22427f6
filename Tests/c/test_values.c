/* Numbers and settings that make no sense, the sentences that say so, gradients that the program wrote, the limit. */
#include <limits.h>

#include "check.h"
#include "sampling.h"
#include "text_utils.h"
#include "transformer_v2.h"

#define SHAPE(...) (const int[]){__VA_ARGS__}

static const double senseless[] = {NAN, INFINITY, -INFINITY, -1};
enum { SENSELESS = sizeof senseless / sizeof *senseless };

static VariableV2 *number(double value) {
  TensorV2 *tensor = tensor_create_persistent(SHAPE(1), 1);
  tensor->data[0] = value;
  return var_create_parameter(tensor);
}

/* ---------------------------------------------------------------------------------------------------------------
 * Settings. */

static void learning_rates(void) {
  VariableV2 *w = number(3);
  OptimizerV2 *sgd = optimizer_create(&w, 1, 0.1);
  AdamOptimizerV2 *adam = adam_create(0.1);
  adam_add_param(adam, w);
  CHECK(autograd_backward(ag_sum(w)) == 0);
  for (int i = 0; i < SENSELESS; i++) {
    CHECK(!adam_create(senseless[i]));
    CHECK_ERROR("adam_create: a learning rate of ");
    CHECK(!optimizer_create(&w, 1, senseless[i]));
    CHECK_ERROR("optimizer_create: a learning rate of ");
    sgd->lr = adam->learning_rate = senseless[i];
    CHECK(optimizer_step(sgd) == -1);
    CHECK_ERROR("optimizer_step: a learning rate of ");
    CHECK(adam_step(adam) == -1);
    CHECK_ERROR("adam_step: a learning rate of ");
    adam->learning_rate = 0.1;
    adam->epsilon = senseless[i];
    CHECK(adam_step(adam) == -1);
    CHECK_ERROR("epsilon is ");
    adam->epsilon = 1e-8;
  }
  static const double betas[] = {NAN, INFINITY, -0.1, 1, 2};
  for (int i = 0; i < 5; i++) {
    double *places[] = {&adam->beta1, &adam->beta2};
    for (int b = 0; b < 2; b++) {
      double before = *places[b];
      *places[b] = betas[i];
      CHECK(adam_step(adam) == -1);
      CHECK_ERROR(b ? "beta2 is " : "beta1 is ");
      *places[b] = before;
    }
  }
  adam->step_count = -1;
  CHECK(adam_step(adam) == -1);
  CHECK_ERROR("step_count is -1");
  adam->step_count = INT_MAX;
  CHECK(adam_step(adam) == -1);
  CHECK_ERROR("step_count is 2147483647");
  adam->step_count = 0;
  CHECK(w->data->data[0] == 3);
  /* The ends that make sense. */
  sgd->lr = adam->learning_rate = adam->beta1 = adam->beta2 = adam->epsilon = 0;
  CHECK(optimizer_step(sgd) == 0 && adam_step(adam) == 0 && adam->step_count == 1 && w->data->data[0] == 3);
  sgd->num_params = -1;
  CHECK(optimizer_step(sgd) == -1);
  CHECK_ERROR("num_params is -1");
  sgd->num_params = 1;
  optimizer_destroy(sgd);
  adam_free(adam);
  var_free_persistent(w);
  autograd_reset_iteration();
}

static VariableV2 *some_loss(void *user) { return ag_sum(user); }

static void other_settings(void) {
  VariableV2 *x = parameter(SHAPE(2, 3), 2), *y = var_create_temp(tensor_zeros_temp(SHAPE(2, 3), 2), true);
  LayerNorm *norm = layernorm_create(3);
  LayerNormV2 *norm2 = layer_norm_create(3);
  TransformerBlock *block = block_create(3, 1, 4);
  for (int i = 0; i < SENSELESS; i++) {
    double s = senseless[i];
    CHECK(!ag_layer_norm(x, NULL, NULL, s));
    CHECK_ERROR("ag_layer_norm: an epsilon of ");
    norm->eps = norm2->eps = block->ln2->eps = s;
    CHECK(!layernorm_forward(norm, x) && !layer_norm_forward(norm2, x));
    CHECK_ERROR("layer_norm_forward: an epsilon of ");
    CHECK(!block_forward(block, x));
    CHECK_ERROR("block_forward: an epsilon of ");
    CHECK(!tensor_randn_persistent(SHAPE(2), 1, s));
    CHECK_ERROR("a standard deviation of ");
    CHECK(!ag_dropout(x, s));
    CHECK_ERROR("a dropout rate of ");
    CHECK(sample_from_logits((const double[]){1, 2}, 2, s) == -1);
    CHECK_ERROR("a temperature of ");
    CHECK(autograd_check_gradients(some_loss, x, &x, 1, s) == -1);
    CHECK_ERROR("a tolerance of ");
  }
  static const double corrections[] = {NAN, INFINITY, -1};
  for (int i = 0; i < 3; i++) {
    CHECK(!ag_variance(x, corrections[i]) && !ag_variance_axis(x, 0, true, corrections[i]));
    CHECK_ERROR("ag_variance_axis: a correction of ");
  }
  CHECK(!ag_clip(x, NAN, 1) && !ag_clip(x, 0, NAN) && !ag_clip(x, 1, 0));
  CHECK_ERROR("ag_clip: the bounds ");
  CHECK(autograd_check_gradients(some_loss, x, &x, 1, 0) == -1);
  CHECK_ERROR("a tolerance of 0");
  CHECK(ag_layer_norm(x, NULL, NULL, 0));
  CHECK(tape_record_layer_norm_v2(y, x, NULL, NULL, (const double[]){0, 0}, (const double[]){1, -1}, 2) == -1);
  CHECK_ERROR("a variance of -1.0 in row 1");
  static const int counts[] = {0, -1, 257, INT_MAX, INT_MIN};
  for (int i = 0; i < 5; i++) {
    CHECK(autograd_set_threads(counts[i]) == -1);
    CHECK_ERROR("give 1 to 256");
  }
  CHECK(autograd_set_memory_limit((size_t)-1) == -1);
  CHECK_ERROR("a limit of 18446744073709551615 bytes");
  static const int layers[] = {-1, INT_MIN, 65537, 100000000};
  for (int i = 0; i < 4; i++) {
    char words[64];
    snprintf(words, sizeof words, "n_layers is %d; give 0 to 65536", layers[i]);
    CHECK(!transformer_create(5, 8, 2, layers[i], 16, 8));
    CHECK_ERROR(words);
  }
  Vocabulary *vocab = vocab_create_from_text("ab", 2);
  size_t length;
  CHECK(!tokenize(vocab, "ab", (size_t)-1, &length) && length == 0);
  CHECK_ERROR("tokenize: a text of 18446744073709551615 bytes");
  CHECK(!detokenize(vocab, (const int[]){0}, (size_t)-1));
  CHECK_ERROR("detokenize: a list of 18446744073709551615 tokens");
  vocab_free(vocab);
  layernorm_free(norm);
  layer_norm_free(norm2);
  block_free(block);
  var_free_persistent(x);
  autograd_reset_iteration();
}

/* ---------------------------------------------------------------------------------------------------------------
 * Optimisers: once each, all or nothing. */

static void each_parameter_once(void) {
  VariableV2 *w = number(3), *twice[] = {w, number(1), w};
  CHECK(!optimizer_create(twice, 3, 0.1));
  CHECK_ERROR("parameters 0 and 2 are the same");
  VariableV2 *temporary = ag_scale(w, 1);
  CHECK(!optimizer_create(&temporary, 1, 0.1));
  CHECK_ERROR("parameter 0 is temporary");
  AdamOptimizerV2 *adam = adam_create(0.1);
  for (int i = 0; i < 3; i++) CHECK(adam_add_param(adam, twice[i]) == 0);
  CHECK(adam->n_params == 2 && reported_errors == 0);
  CHECK(adam_add_param(adam, temporary) == -1);
  CHECK_ERROR("the parameter is temporary");
  adam_free(adam);
  var_free_persistent(twice[1]);
  var_free_persistent(w);
  autograd_reset_iteration();
}

static void all_or_nothing(void) {
  for (int way = 0; way < 2; way++) {
    VariableV2 *list[] = {number(1), number(2), number(3)};
    OptimizerV2 *sgd = optimizer_create(list, 3, 1);
    AdamOptimizerV2 *adam = adam_create(1);
    for (int i = 0; i < 3; i++) adam_add_param(adam, list[i]);
    CHECK(autograd_backward(ag_sum(ag_add(ag_add(list[0], list[1]), list[2]))) == 0);
    TensorV2 *gradient = list[2]->grad;
    if (way == 0) list[2]->grad = NULL;
    else var_free_persistent(list[2]);
    CHECK(optimizer_step(sgd) == -1 && adam_step(adam) == -1 && adam->step_count == 0);
    CHECK_ERROR(way == 0 ? "the parameter's gradient is NULL" : "parameter 2 was freed before");
    CHECK(list[0]->data->data[0] == 1 && list[1]->data->data[0] == 2);
    optimizer_zero_grad(sgd);
    CHECK(reported_errors == 1 && list[0]->grad->data[0] == 1 && list[1]->grad->data[0] == 1);
    reported_errors = 0;
    if (way == 0) list[2]->grad = gradient, var_free_persistent(list[2]);
    optimizer_destroy(sgd);
    adam_free(adam);
    for (int i = 0; i < 2; i++) var_free_persistent(list[i]);
    autograd_reset_iteration();
  }
}

typedef struct Steps { OptimizerV2 *sgd; AdamOptimizerV2 *adam; } Steps;

static void stepping_backward(void *ctx, TensorV2 *gradient) {
  (void)gradient;
  Steps *steps = ctx;
  CHECK(optimizer_step(steps->sgd) == -1);
  CHECK_ERROR("optimizer_step: a backward is running");
  CHECK(adam_step(steps->adam) == -1);
  CHECK_ERROR("adam_step: a backward is running");
}

/* A step in the middle of a walk would change what the rest of it reads. */
static void not_inside_a_backward(void) {
  VariableV2 *w = number(3), *y = var_create_temp(tensor_create_temp(SHAPE(1), 1), true);
  Steps steps = {optimizer_create(&w, 1, 1), adam_create(1)};
  adam_add_param(steps.adam, w);
  CHECK(tape_add_op(g_tape, &w, 1, y, stepping_backward, &steps) == 0 && autograd_backward(ag_sum(y)) == 0);
  CHECK(w->data->data[0] == 3);
  optimizer_destroy(steps.sgd);
  adam_free(steps.adam);
  var_free_persistent(w);
  autograd_reset_iteration();
}

/* ---------------------------------------------------------------------------------------------------------------
 * Gradients that the program wrote. */

/* One that a walk does not reach is zero after it, unless it was written in this iteration and declared to be. */
static void written_by_hand(void) {
  VariableV2 *w = number(1), *reached = number(2), *list[] = {w, reached};
  OptimizerV2 *sgd = optimizer_create(list, 2, 1);
  for (int iteration = 0; iteration < 4; iteration++) {
    /* In the first one it is new, so of this iteration. */
    if (iteration == 2) var_zero_grad(w);
    w->grad->data[0] = 5;
    CHECK(autograd_backward(ag_sum(reached)) == 0);
    CHECK(w->grad->data[0] == (iteration == 0 || iteration == 2 ? 5 : 0));
    double before = w->data->data[0];
    CHECK(optimizer_step(sgd) == 0);
    CHECK(before - w->data->data[0] == w->grad->data[0]);
    /* Written after the walk, it counts until the reset. */
    w->grad->data[0] = 6;
    autograd_reset_iteration();
    CHECK(w->grad->data[0] == 6);
    CHECK(autograd_backward(ag_sum(reached)) == 0 && w->grad->data[0] == 0);
    autograd_reset_iteration();
  }
  optimizer_destroy(sgd);
  var_free_persistent(w);
  var_free_persistent(reached);
}

/* A walk in one context leaves the gradients alone that another one has written since. */
static void of_another_context(void) {
  VariableV2 *shared = number(2), *own = number(3), *other = number(4);
  AutogradContext *context = autograd_context_create();
  for (int round = 0; round < 3; round++) {
    CHECK(autograd_backward(ag_sum(ag_multiply(shared, own))) == 0 && shared->grad->data[0] == 3);
    CHECK(autograd_context_use(context) == 0);
    CHECK(autograd_backward(ag_sum(ag_multiply(shared, other))) == 0 && shared->grad->data[0] == 4);
    CHECK(autograd_context_use(NULL) == 0 && autograd_reset_iteration() == 0);
    CHECK(autograd_backward(ag_sum(own)) == 0 && shared->grad->data[0] == 4);
    CHECK(autograd_context_use(context) == 0 && autograd_reset_iteration() == 0);
    CHECK(autograd_backward(ag_sum(other)) == 0 && shared->grad->data[0] == 0);
    CHECK(autograd_context_use(NULL) == 0 && autograd_reset_iteration() == 0);
  }
  autograd_context_destroy(context);
  var_free_persistent(shared);
  var_free_persistent(own);
  var_free_persistent(other);
}

/* The explanation is right in the first iteration, too. */
static void explained(void) {
  VariableV2 *dead = number(-1), *aside = number(1), *unused = number(1), *list[] = {dead, aside, unused};
  for (int iteration = 0; iteration < 2; iteration++) {
    ag_sum(aside);
    CHECK(strstr(autograd_explain_gradients(list, 3), "parameter 1: zero: no backward ran"));
    CHECK(autograd_backward(ag_sum(ag_relu(dead))) == 0);
    const char *text = autograd_explain_gradients(list, 3);
    CHECK(strstr(text, "parameter 0: zero: the gradients that reached it are zero"));
    CHECK(strstr(text, "parameter 1: zero: the backward did not reach it"));
    CHECK(strstr(text, "parameter 2: zero: no operation of this iteration used it"));
    autograd_reset_iteration();
  }
  for (int i = 0; i < 3; i++) var_free_persistent(list[i]);
}

/* ---------------------------------------------------------------------------------------------------------------
 * Sentences. */

static void after_an_error_that_was_cleared(void) {
  VariableV2 *a = parameter(SHAPE(2, 3), 2), *failed = ag_matmul(a, a);
  /* Behind a call that failed: one sentence for all. */
  CHECK(!ag_relu(ag_add(failed, a)) && reported_errors == 1);
  CHECK_ERROR("ag_matmul: shapes [2, 3] and [2, 3] do not fit");
  CHECK(!ag_relu(NULL));
  CHECK_ERROR("ag_relu: argument 1 is NULL");
  /* What is not the result of an operation is never silent. */
  ag_matmul(a, a);
  reported_errors = 0;
  CHECK(adam_step(NULL) == -1);
  CHECK_ERROR("adam_step: the optimiser is NULL");
  ag_matmul(a, a);
  reported_errors = 0;
  CHECK(!transformer_forward(NULL, (const int[]){0}, 1));
  CHECK_ERROR("transformer_forward: the model is NULL");
  Linear *linear = linear_create(3, 2);
  VariableV2 *weight = linear->weight;
  ag_matmul(a, a);
  reported_errors = 0;
  linear->weight = NULL;
  CHECK(!linear_forward(linear, a));
  CHECK_ERROR("linear_forward: the layer's weight is NULL");
  linear->weight = weight;
  linear_free(linear);
  var_free_persistent(a);
  autograd_reset_iteration();
}

static void impossible_draws(void) {
  static const double none[] = {-INFINITY, -INFINITY}, over[] = {1, INFINITY}, one[] = {-INFINITY, 3};
  for (int hot = 0; hot < 2; hot++) {
    CHECK(sample_from_logits(none, 2, hot) == -1);
    CHECK_ERROR("all 2 logits are -inf: no token is possible");
    CHECK(sample_from_logits(over, 2, hot) == -1);
    CHECK_ERROR("logit 1 is inf");
    CHECK(sample_from_logits(one, 2, hot) == 1);
  }
}

/* A model without some bias: its parameters are those that are there. */
static void without_a_bias(void) {
  TransformerV2 *model = transformer_create(5, 8, 2, 1, 16, 8);
  VariableV2 **params, *bias = model->lm_head->bias;
  int all, fewer;
  CHECK(transformer_get_params(model, &params, &all) == 0);
  free(params);
  model->lm_head->bias = NULL;
  CHECK(transformer_get_params(model, &params, &fewer) == 0 && fewer == all - 1);
  for (int i = 0; i < fewer; i++) CHECK(params[i] && params[i] != bias);
  CHECK(transformer_forward(model, (const int[]){1}, 1) && reported_errors == 0);
  free(params);
  model->n_layers = -1;
  CHECK(transformer_get_params(model, &params, &fewer) == -1 && !transformer_forward(model, (const int[]){1}, 1));
  CHECK_ERROR("n_layers is -1");
  model->n_layers = 1;
  var_free_persistent(bias);
  transformer_free(model);
  autograd_reset_iteration();
}

/* ---------------------------------------------------------------------------------------------------------------
 * Threads, seeds, the limit. */

/* The first context begins with seed 1337, each other one with another; a seed makes them equal. */
static void seeds(void) {
  double first[4], same[4];
  AutogradContext *contexts[3];
  for (int i = 0; i < 4; i++) {
    if (i > 0) {
      contexts[i - 1] = autograd_context_create();
      CHECK(autograd_context_use(contexts[i - 1]) == 0);
    }
    TensorV2 *drawn = tensor_randn_persistent(SHAPE(1), 1, 1);
    first[i] = drawn->data[0];
    tensor_free_persistent(drawn);
    autograd_set_seed(5);
    drawn = tensor_randn_persistent(SHAPE(1), 1, 1);
    same[i] = drawn->data[0];
    tensor_free_persistent(drawn);
    for (int j = 0; j < i; j++) CHECK(first[i] != first[j] && same[i] == same[j]);
  }
  CHECK(autograd_context_use(NULL) == 0);
  for (int i = 0; i < 3; i++) autograd_context_destroy(contexts[i]);
  autograd_set_seed(1337);
  TensorV2 *drawn = tensor_randn_persistent(SHAPE(1), 1, 1);
  CHECK(drawn->data[0] == first[0]);
  tensor_free_persistent(drawn);
  /* Opened again, it is another one. */
  autograd_v2_cleanup();
  drawn = tensor_randn_persistent(SHAPE(1), 1, 1);
  for (int i = 0; i < 4; i++) CHECK(drawn->data[0] != first[i]);
  tensor_free_persistent(drawn);
}

static VariableV2 *next_of(int way, VariableV2 *v) {
  switch (way) {
    case 0: return ag_relu(v);
    case 1: return var_reshape(v, SHAPE(1), 1);
    case 2: return tensor_relu(v->data) ? v : NULL;
    case 3: return tensor_create_temp(SHAPE(0), 1) ? v : NULL;
    default: return var_create_temp(v->data, false);
  }
}

/* However small what an iteration makes: a loop without resets ends within the limit, with a sentence. */
static void limit(void) {
  enum { LIMIT = 16 << 20 };
  for (int way = 0; way < 5; way++) {
    autograd_v2_cleanup();
    CHECK(autograd_set_memory_limit(LIMIT) == 0);
    long before = resident(), count = 0;
    VariableV2 *v = var_create_temp(tensor_create_temp(NULL, 0), way == 0);
    while (v && count < 2000000) v = next_of(way, v), count++;
    CHECK(!v);
    CHECK_ERROR("call autograd_reset_iteration() after every iteration");
    CHECK(is_watched() || resident() - before < 2 * (LIMIT >> 10));
    /* And goes on after a reset, as often as one likes. */
    for (int i = 0; i < 18; i++) {
      CHECK(autograd_reset_iteration() == 0);
      v = var_create_temp(tensor_create_temp(NULL, 0), way == 0);
      for (long j = 0; j < count * 9 / 10; j++) CHECK((v = next_of(way, v)));
    }
    CHECK(is_watched() || resident() - before < 3 * (LIMIT >> 10));
    char report[512] = "";
    FILE *file = tmpfile();
    autograd_memory_report(file);
    rewind(file);
    CHECK(fread(report, 1, sizeof report - 1, file) > 0 && strstr(report, "bytes beside the arena"));
    fclose(file);
  }
  autograd_set_memory_limit(0);
  autograd_reset_iteration();
}

/* A call that fails leaves nothing of what it had begun. */
static void failing_calls_add_nothing(void) {
  enum { COUNT = 1000 };
  VariableV2 *row = parameter(SHAPE(4), 1), *odd = parameter(SHAPE(2, 2), 2), *parts[COUNT];
  for (int i = 0; i < COUNT; i++) parts[i] = i < COUNT - 1 ? row : odd;
  CHECK(autograd_set_memory_limit(8 << 20) == 0);
  for (int i = 0; i < 200; i++) {
    CHECK(!ag_stack(parts, COUNT, 0));
    CHECK_ERROR("ag_stack: ");
  }
  CHECK(ag_relu(row) && reported_errors == 0);
  autograd_set_memory_limit(0);
  var_free_persistent(row);
  var_free_persistent(odd);
  autograd_reset_iteration();
}

/* A sum of many equal numbers is as good as its numbers. */
static void sums(void) {
  enum { COUNT = 10000000 };
  TensorV2 *tensor = tensor_create_persistent(SHAPE(COUNT), 1);
  for (int i = 0; i < COUNT; i++) tensor->data[i] = 0.1;
  CHECK_CLOSE(tensor_sum(tensor), 1e6, 1e-15);
  for (int i = 0; i < COUNT; i++) tensor->data[i] = i % 2 ? -1e16 : 1e16;
  tensor->data[0] += 2;
  CHECK(tensor_sum(tensor) == 2);
  tensor_free_persistent(tensor);
  autograd_reset_iteration();
}

int main(void) {
  quiet();
  seeds();
  learning_rates();
  other_settings();
  each_parameter_once();
  all_or_nothing();
  not_inside_a_backward();
  written_by_hand();
  of_another_context();
  explained();
  after_an_error_that_was_cleared();
  impossible_draws();
  without_a_bias();
  limit();
  failing_calls_add_nothing();
  sums();
  CHECK(reported_errors == 0);
  autograd_v2_cleanup();
  return 0;
}
