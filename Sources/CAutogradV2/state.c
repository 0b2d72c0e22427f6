#include "autograd_v2_state.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

__extension__ __thread TapeV2 *g_tape __attribute__((visibility("default")));
__extension__ __thread Arena *global_arena __attribute__((visibility("default")));

static __thread void *current_context;
static __thread void *own_context;
static __thread char message[2048];
static __thread char *kept_text;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static pthread_mutex_t handler_mutex = PTHREAD_MUTEX_INITIALIZER;
static AutogradErrorHandler handler;
static void *handler_user;

static void thread_ends(void *unused) {
  (void)unused;
  free(kept_text);
  kept_text = NULL;
  if (own_context) autograd_v2_impl_thread_ends(own_context);
}

static void make_key(void) { pthread_key_create(&key, thread_ends); }

void *autograd_v2_state_context(void) { return current_context; }

void autograd_v2_state_set_context(void *context, TapeV2 *tape, Arena *arena) {
  current_context = context;
  g_tape = tape;
  global_arena = arena;
}

void *autograd_v2_state_own_context(void) { return own_context; }

void autograd_v2_state_set_own_context(void *context) {
  own_context = context;
  pthread_once(&key_once, make_key);
  pthread_setspecific(key, context || kept_text ? &own_context : NULL);
}

uintptr_t autograd_v2_state_thread(void) { return (uintptr_t)pthread_self(); }

const char *autograd_v2_state_message(void) { return message; }

void autograd_v2_state_set_message(const char *text) {
  size_t length = strlen(text);
  if (length >= sizeof message) length = sizeof message - 1;
  memmove(message, text, length);
  message[length] = 0;
}

void autograd_v2_state_set_handler(AutogradErrorHandler new_handler, void *user) {
  pthread_mutex_lock(&handler_mutex);
  handler = new_handler;
  handler_user = user;
  pthread_mutex_unlock(&handler_mutex);
}

void autograd_v2_state_report(void) {
  pthread_mutex_lock(&handler_mutex);
  AutogradErrorHandler current = handler;
  void *user = handler_user;
  pthread_mutex_unlock(&handler_mutex);
  if (current) current(message, user);
  else fprintf(stderr, "autograd_v2: %s\n", message);
}

const char *autograd_v2_state_version(void) { return AUTOGRAD_V2_VERSION; }

const char *autograd_v2_state_shakespeare(void) { return "data/shakespeare.txt"; }

const char *autograd_v2_state_keep_text(const char *text) {
  size_t length = strlen(text);
  char *copy = malloc(length + 1);
  if (!copy) return NULL;
  memcpy(copy, text, length + 1);
  free(kept_text);
  kept_text = copy;
  pthread_once(&key_once, make_key);
  pthread_setspecific(key, &own_context);
  return kept_text;
}
