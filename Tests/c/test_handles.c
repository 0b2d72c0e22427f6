/* What is freed twice, used after it was freed, or used after its context: a sentence each, no crash. */
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "dataset.h"
#include "sampling.h"
#include "text_utils.h"
#include "transformer_v2.h"

#define SHAPE(...) (const int[]){__VA_ARGS__}

static VariableV2 *number(double value) {
  TensorV2 *tensor = tensor_create_persistent(SHAPE(1), 1);
  tensor->data[0] = value;
  return var_create_persistent(tensor, false);
}

/* ---------------------------------------------------------------------------------------------------------------
 * Every family: freed once, used, freed again. */

static VariableV2 *x;
static const int tokens[] = {0, 1, 0};

static void *make_linear(void) { return linear_create(4, 4); }
static void use_linear(void *p) { CHECK(!linear_forward(p, x)); }
static void free_linear(void *p) { linear_free(p); }

static void *make_embedding(void) { return embedding_create(3, 4); }
static void use_embedding(void *p) { CHECK(!embedding_forward(p, tokens, 3)); }
static void free_embedding(void *p) { embedding_free(p); }

static void *make_norm(void) { return layernorm_create(4); }
static void use_norm(void *p) { CHECK(!layernorm_forward(p, x)); }
static void free_norm(void *p) { layernorm_free(p); }

static void *make_norm2(void) { return layer_norm_create(4); }
static void use_norm2(void *p) { CHECK(!layer_norm_forward(p, x)); }
static void free_norm2(void *p) { layer_norm_free(p); }

static void *make_attention(void) { return mha_create(4, 2); }
static void use_attention(void *p) { CHECK(!mha_forward(p, x)); }
static void free_attention(void *p) { mha_free(p); }

static void *make_wide(void) { return ff_create(4, 8); }
static void use_wide(void *p) { CHECK(!ff_forward(p, x)); }
static void free_wide(void *p) { ff_free(p); }

static void *make_block(void) { return block_create(4, 2, 8); }
static void use_block(void *p) { CHECK(!block_forward(p, x)); }
static void free_block(void *p) { block_free(p); }

static void *make_model(void) { return transformer_create(3, 4, 2, 1, 8, 6); }
static void use_model(void *p) {
  VariableV2 **params;
  int count;
  CHECK(!transformer_forward(p, tokens, 3) && transformer_get_params(p, &params, &count) == -1);
}
static void free_model(void *p) { transformer_free(p); }

static void *make_adam(void) { return adam_create(0.1); }
static void use_adam(void *p) { CHECK(adam_step(p) == -1 && adam_add_param(p, x) == -1); }
static void free_adam(void *p) { adam_free(p); }

static void *make_sgd(void) { return optimizer_create(NULL, 0, 0.1); }
static void use_sgd(void *p) {
  optimizer_zero_grad(p);
  CHECK(optimizer_step(p) == -1);
}
static void free_sgd(void *p) { optimizer_destroy(p); }

static void *make_arena(void) { return arena_create(100); }
static void use_arena(void *p) {
  CHECK(arena_get_used(p) == 0 && arena_get_allocated(p) == 0);
  arena_reset(p);
  arena_reset_aggressive(p);
  CHECK(!arena_alloc(p, 8) && !arena_calloc(p, 1, 8));
}
static void free_arena(void *p) { arena_destroy(p); }

static void *make_tape(void) { return tape_create(); }
static void use_tape(void *p) {
  tape_reset(p);
  CHECK(tape_backward(p) == -1);
}
static void free_tape(void *p) { tape_destroy(p); }

static void *make_context(void) { return autograd_context_create(); }
static void use_context(void *p) { CHECK(autograd_context_use(p) == -1); }
static void free_context(void *p) { autograd_context_destroy(p); }

static void *make_tensor(void) { return tensor_create_persistent(SHAPE(2), 1); }
static void use_tensor(void *p) { CHECK(!tensor_relu(p) && isnan(tensor_sum(p)) && !var_create_temp(p, true)); }
static void free_tensor(void *p) { tensor_free_persistent(p); }

static void *make_variable(void) { return number(1); }
static void use_variable(void *p) {
  var_zero_grad(p);
  CHECK(!ag_relu(p) && autograd_backward(p) == -1);
}
static void free_variable(void *p) { var_free_persistent(p); }

static void *make_vocabulary(void) { return vocab_create_from_text("ab", 2); }
static void use_vocabulary(void *p) {
  size_t length;
  CHECK(vocab_char_to_idx(p, 'a') == -1 && vocab_idx_to_char(p, 0) == 0);
  CHECK(!tokenize(p, "a", 1, &length) && !detokenize(p, tokens, 1));
}
static void free_vocabulary(void *p) { vocab_free(p); }

static void *make_tokenizer(void) { return create_char_tokenizer("ab"); }
static void use_tokenizer(void *p) {
  CHECK(char_to_token('a', p) == -1 && token_to_char(0, p) == 0 && save_tokenizer(p, "/nowhere/x") == -1);
}
static void free_char_tokenizer(void *p) { free_tokenizer(p); }

static const struct Family {
  const char *word;
  void *(*make)(void);
  void (*use)(void *);
  void (*free)(void *);
} families[] = {
    {"linear layer", make_linear, use_linear, free_linear},
    {"embedding", make_embedding, use_embedding, free_embedding},
    {"norm", make_norm, use_norm, free_norm},
    {"norm", make_norm2, use_norm2, free_norm2},
    {"attention layer", make_attention, use_attention, free_attention},
    {"feed-forward layer", make_wide, use_wide, free_wide},
    {"block", make_block, use_block, free_block},
    {"model", make_model, use_model, free_model},
    {"optimiser", make_adam, use_adam, free_adam},
    {"optimiser", make_sgd, use_sgd, free_sgd},
    {"arena", make_arena, use_arena, free_arena},
    {"tape", make_tape, use_tape, free_tape},
    {"context", make_context, use_context, free_context},
    {"tensor", make_tensor, use_tensor, free_tensor},
    {"freed before", make_variable, use_variable, free_variable},
    {"vocabulary", make_vocabulary, use_vocabulary, free_vocabulary},
    {"tokenizer", make_tokenizer, use_tokenizer, free_char_tokenizer},
};

enum { FAMILIES = sizeof families / sizeof *families };

static void freed_twice(void) {
  x = parameter(SHAPE(3, 4), 2);
  for (int i = 0; i < FAMILIES; i++) {
    const struct Family *family = &families[i];
    void *p = family->make();
    CHECK(p && reported_errors == 0);
    family->free(p);
    CHECK(reported_errors == 0);
    family->use(p);
    CHECK_ERROR(family->word);
    family->free(p);
    CHECK_ERROR(family->word);
    family->free(p);
    CHECK_ERROR("before");
    family->free(NULL);
    CHECK(reported_errors == 0);
    /* A struct that is not the library's is not freed. */
    _Alignas(16) char other[256] = {0};
    family->free(other);
    CHECK(reported_errors == 1);
    reported_errors = 0;
  }
  /* One of another family is told apart. */
  Linear *linear = linear_create(2, 2);
  embedding_free((Embedding *)linear);
  CHECK_ERROR("this is another struct: expected embedding, got linear layer");
  linear_free(linear);
  var_free_persistent(x);
  CHECK(reported_errors == 0);
}

/* A part that was freed by itself, or is the program's own, is left alone when the whole is freed. */
static void parts_of_a_model(void) {
  static Linear own;
  TransformerV2 *model = transformer_create(3, 4, 2, 1, 8, 6);
  linear_free(model->lm_head);
  CHECK(!transformer_forward(model, tokens, 3));
  CHECK_ERROR("the linear layer was freed before");
  own.weight = parameter(SHAPE(3, 4), 2);
  model->lm_head = &own;
  CHECK(transformer_forward(model, tokens, 3));
  transformer_free(model);
  var_free_persistent(own.weight);
  autograd_reset_iteration();
  CHECK(reported_errors == 0);
}

/* ---------------------------------------------------------------------------------------------------------------
 * Contexts: who closes them, and when. */

static void cleanup_of_a_created_context(void) {
  for (int round = 0; round < 3; round++) {
    AutogradContext *context = autograd_context_create();
    CHECK(autograd_context_use(context) == 0 && ag_scale(x, 2));
    autograd_v2_cleanup();
    CHECK(autograd_context_use(context) == -1);
    CHECK_ERROR("the context was closed by autograd_v2_cleanup()");
    autograd_context_destroy(context);
    CHECK(reported_errors == 0);
    autograd_context_destroy(context);
    CHECK_ERROR("the context was destroyed before");
    CHECK(autograd_context_use(context) == -1);
    CHECK_ERROR("the context was destroyed before");
  }
  CHECK(autograd_context_use((AutogradContext *)x) == -1);
  CHECK_ERROR("this is not a context");
  AutogradContext *current = autograd_context_create();
  CHECK(autograd_context_use(current) == 0);
  autograd_context_destroy(current);
  CHECK(!g_tape && ag_scale(x, 2) && reported_errors == 0);
}

static void *use_and_end(void *context) {
  CHECK(autograd_context_use(context) == 0 && ag_scale(x, 3));
  return NULL;
}

/* A thread that ends inside a created context leaves it to others. */
static void thread_ends_inside(void) {
  AutogradContext *context = autograd_context_create();
  for (int round = 0; round < 3; round++) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_and_end, context) == 0 && pthread_join(thread, NULL) == 0);
  }
  CHECK(autograd_context_use(context) == 0 && autograd_context_use(NULL) == 0);
  autograd_context_destroy(context);
  CHECK(reported_errors == 0);
}

enum { RACERS = 4 };
static int holders, entered;

/* One context, many threads: at most one has it. */
static void *races(void *context) {
  for (int i = 0; i < 300; i++) {
    if (autograd_context_use(context) != 0) continue;
    CHECK(__atomic_add_fetch(&holders, 1, __ATOMIC_ACQ_REL) == 1);
    __atomic_add_fetch(&entered, 1, __ATOMIC_RELAXED);
    CHECK(ag_scale(x, 3));
    __atomic_sub_fetch(&holders, 1, __ATOMIC_ACQ_REL);
    CHECK(autograd_context_use(NULL) == 0);
  }
  return NULL;
}

static void ignore(const char *message, void *user) {
  (void)message;
  (void)user;
}

static void one_thread_at_a_time(void) {
  AutogradContext *context = autograd_context_create();
  pthread_t threads[RACERS];
  autograd_set_error_handler(ignore, NULL);
  for (int i = 0; i < RACERS; i++) CHECK(pthread_create(&threads[i], NULL, races, context) == 0);
  for (int i = 0; i < RACERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  quiet();
  CHECK(entered > 0);
  autograd_context_destroy(context);
  CHECK(reported_errors == 0);
}

static VariableV2 *stale;
static Arena *stale_arena;
static TapeV2 *stale_tape;

static void *remember(void *given) {
  if (given) CHECK(autograd_context_use(given) == 0);
  stale = ag_scale(x, 10);
  stale_arena = global_arena;
  stale_tape = g_tape;
  return NULL;
}

/* Handles of a context that is gone are errors for 16 iterations at least, whatever is computed meanwhile. */
static void handles_of_closed_contexts(void) {
  VariableV2 *other = number(7);
  for (int way = 0; way < 4; way++) {
    AutogradContext *context = way == 3 ? autograd_context_create() : NULL;
    autograd_v2_cleanup();
    if (way == 0) {
      remember(NULL);
      autograd_v2_cleanup();
    } else if (way == 1) {
      autograd_v2_init();
      for (int i = 0; i < 5; i++) autograd_reset_iteration();
      remember(NULL);
      autograd_v2_cleanup();
    } else {
      pthread_t thread;
      CHECK(pthread_create(&thread, NULL, remember, context) == 0 && pthread_join(thread, NULL) == 0);
      autograd_context_destroy(context);
    }
    for (int iteration = 0; iteration < 16; iteration++) {
      CHECK(!ag_scale(stale, 1));
      CHECK_ERROR("belongs to a context that was closed");
      CHECK(!tensor_relu(stale ? ag_scale(other, 2)->data : NULL) == 0);
      CHECK(!arena_alloc(stale_arena, 8));
      CHECK_ERROR("the arena was destroyed before, or went with its context");
      CHECK(tape_backward(stale_tape) == -1);
      CHECK_ERROR("the tape does not belong to the context any more");
      for (int i = 0; i < 500; i++) CHECK(ag_scale(other, 100)->data->data[0] == 700);
      if (iteration % 3 == 2) autograd_v2_cleanup();
      else autograd_reset_iteration();
    }
  }
  var_free_persistent(other);
  CHECK(reported_errors == 0);
}

/* ---------------------------------------------------------------------------------------------------------------
 * Members that a program exchanged. */

static void exchanged_members(void) {
  VariableV2 *v = parameter(SHAPE(2), 1), *w = parameter(SHAPE(2), 1);
  TensorV2 *value = v->data, *gradient = v->grad;
  tensor_free_persistent(value);
  CHECK_ERROR("a variable owns this tensor");
  tensor_free_persistent(gradient);
  CHECK_ERROR("a variable owns this tensor");
  v->data = tensor_create_persistent(SHAPE(2), 1);
  v->data->data[0] = 4;
  v->grad = tensor_zeros_persistent(SHAPE(2), 1);
  CHECK(autograd_backward(ag_sum(ag_multiply(v, v))) == 0 && v->grad->data[0] == 8);
  /* What was there before is the program's again; what is there now belongs to the variable. */
  tensor_free_persistent(value);
  tensor_free_persistent(gradient);
  CHECK(reported_errors == 0);
  tensor_free_persistent(v->data);
  CHECK_ERROR("a variable owns this tensor");
  autograd_reset_iteration();
  /* Two variables exchange tensors; one of them takes the other's. Each tensor is freed once. */
  TensorV2 *kept = v->data;
  v->data = w->data;
  w->data = kept;
  CHECK(autograd_backward(ag_sum(ag_multiply(v, w))) == 0);
  v->grad = w->grad;
  CHECK(autograd_backward(ag_sum(ag_multiply(v, w))) == 0);
  autograd_reset_iteration();
  var_free_persistent(v);
  CHECK(ag_relu(w));
  var_free_persistent(w);
  CHECK(reported_errors == 0);
  autograd_reset_iteration();
}

/* An optimiser does not step what has taken the place of a freed parameter. */
static void outlived_parameters(void) {
  enum { MOST = 20000 };
  VariableV2 *w = parameter(SHAPE(1), 1), *next = NULL;
  OptimizerV2 *sgd = optimizer_create(&w, 1, 0.1);
  AdamOptimizerV2 *adam = adam_create(0.1);
  CHECK(adam_add_param(adam, w) == 0);
  var_free_persistent(w);
  for (int i = 0; i < MOST && next != w; i++) {
    if (next) var_free_persistent(next);
    next = parameter(SHAPE(1), 1);
    /* Three headers come and go each time: one more now and then, so that w's serves a variable again. */
    if (i % 4000 == 3999) tensor_free_persistent(tensor_create_persistent(SHAPE(1), 1));
  }
  CHECK(next == w && autograd_backward(ag_sum(next)) == 0);
  double before = next->data->data[0];
  CHECK(optimizer_step(sgd) == -1);
  CHECK_ERROR("optimizer_step: parameter 0 was freed before, and another variable has its place");
  CHECK(adam_step(adam) == -1);
  CHECK_ERROR("adam_step: parameter 0 was freed before, and another variable has its place");
  CHECK(adam_add_param(adam, next) == -1);
  CHECK_ERROR("parameter 0 was freed before");
  CHECK(next->data->data[0] == before);
  /* Lists are live: another variable in the place is stepped. */
  sgd->parameters[0] = x = number(2);
  x->requires_grad = true;
  CHECK(autograd_backward(ag_sum(x)) == 0 && optimizer_step(sgd) == 0);
  CHECK_CLOSE(x->data->data[0], 1.9, 1e-15);
  var_free_persistent(x);
  var_free_persistent(next);
  optimizer_destroy(sgd);
  adam_free(adam);
  autograd_reset_iteration();
  CHECK(reported_errors == 0);
}

/* Headers serve again after a while, and memory stays flat. */
static void many(void) {
  long before = 0;
  for (int i = 0; i < 3000; i++) {
    transformer_free(transformer_create(3, 4, 2, 1, 8, 6));
    adam_free(adam_create(0.1));
    var_free_persistent(number(i));
    if (i == 1000) before = resident();
  }
  CHECK(is_watched() || resident() - before < 256);
}

int main(void) {
  quiet();
  freed_twice();
  parts_of_a_model();
  x = number(2);
  cleanup_of_a_created_context();
  thread_ends_inside();
  one_thread_at_a_time();
  handles_of_closed_contexts();
  exchanged_members();
  var_free_persistent(x);
  outlived_parameters();
  many();
  autograd_v2_cleanup();
  return 0;
}
