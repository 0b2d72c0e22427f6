#define _GNU_SOURCE
#include "autograd_v2_state.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

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
  if (current_context || own_context) autograd_v2_impl_thread_ends();
}

static void make_key(void) { pthread_key_create(&key, thread_ends); }

/* Has thread_ends called at the end of a thread that holds something. */
static void watch_end(void) {
  pthread_once(&key_once, make_key);
  pthread_setspecific(key, current_context || own_context || kept_text ? &own_context : NULL);
}

void *autograd_v2_state_context(void) { return current_context; }

void autograd_v2_state_set_context(void *context, TapeV2 *tape, Arena *arena) {
  current_context = context;
  g_tape = tape;
  global_arena = arena;
  watch_end();
}

void *autograd_v2_state_own_context(void) { return own_context; }

void autograd_v2_state_set_own_context(void *context) {
  own_context = context;
  watch_end();
}

uintptr_t autograd_v2_state_thread(void) { return (uintptr_t)pthread_self(); }

const char *autograd_v2_state_message(void) { return message; }

void autograd_v2_state_set_message(const char *text) {
  size_t length = strlen(text);
  if (length >= sizeof message) length = sizeof message - 1;
  memmove(message, text, length);
  message[length] = 0;
}

static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

void autograd_v2_state_unlock(void) { pthread_mutex_unlock(&shared_mutex); }

static void lock_for_fork(void) { pthread_mutex_lock(&shared_mutex); }
static void register_fork(void) { pthread_atfork(lock_for_fork, autograd_v2_state_unlock, autograd_v2_state_unlock); }

void autograd_v2_state_lock(void) {
  pthread_once(&fork_once, register_fork);
  pthread_mutex_lock(&shared_mutex);
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
  watch_end();
  return kept_text;
}

/* Calls out. Each has a frame of `call_out` on the stack, known by the address of its mark. An exception or a longjmp
 * takes the frame away without a word; then it is not found among the callers any more. */

__attribute__((noinline)) static void call_out(AutogradV2Callout *callout) {
  volatile char mark = 0;
  int place = autograd_v2_impl_callout_begins((uintptr_t)&mark);
  if (callout->backward) callout->backward(callout->user, callout->gradient);
  if (callout->part) callout->result = callout->part(callout->x, callout->user);
  if (callout->forward) callout->result = callout->forward(callout->user);
  autograd_v2_impl_callout_ends(place);
  (void)mark;
}

void autograd_v2_state_call_out(AutogradV2Callout *callout) { call_out(callout); }

static __thread uintptr_t stack_begin, stack_end;

/* Whether an address lies in the stack that the system gave the calling thread, not in one of the program's own. */
static int is_on_stack(uintptr_t address) {
  if (!stack_end) {
    pthread_attr_t attributes;
    void *begin = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes)) return 0;
    if (!pthread_attr_getstack(&attributes, &begin, &size)) {
      stack_begin = (uintptr_t)begin;
      stack_end = stack_begin + size;
    }
    pthread_attr_destroy(&attributes);
  }
  return address >= stack_begin && address < stack_end;
}

bool autograd_v2_state_has_returned_past(uintptr_t mark) {
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  return here > mark && is_on_stack(here) && is_on_stack(mark);
}

typedef struct Search { uintptr_t mark, last; int was_ours, found, is_past; } Search;

/* A frame reaches from its stack pointer up to that of its caller. */
static _Unwind_Reason_Code look(struct _Unwind_Context *frame, void *given) {
  Search *search = given;
  uintptr_t begin = (uintptr_t)_Unwind_GetCFA(frame);
  if (search->was_ours && search->last <= search->mark && search->mark < begin) search->found = 1;
  if (begin > search->mark) search->is_past = 1;
  search->was_ours = (uintptr_t)_Unwind_GetRegionStart(frame) == (uintptr_t)call_out;
  search->last = begin;
  return search->found || search->is_past ? _URC_END_OF_STACK : _URC_NO_REASON;
}

bool autograd_v2_state_has_left(uintptr_t mark) {
  if (!is_on_stack((uintptr_t)__builtin_frame_address(0)) || !is_on_stack(mark)) return false;
  Search search = {mark, 0, 0, 0, 0};
  _Unwind_Backtrace(look, &search);
  return search.is_past && !search.found;
}
