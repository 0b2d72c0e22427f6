/* State that belongs to a thread or to the process, kept in C because Swift has no thread-local storage. */
#ifndef AUTOGRAD_V2_STATE_H
#define AUTOGRAD_V2_STATE_H

#include "autograd_v2.h"

/* The calling thread's context, an opaque object; NULL where none is open. */
void *autograd_v2_state_context(void);
/* Makes it the calling thread's, with its tape and arena. */
void autograd_v2_state_set_context(void *context, TapeV2 *tape, Arena *arena);
/* The context that the thread opened by itself; it is closed when the thread ends. */
void *autograd_v2_state_own_context(void);
void autograd_v2_state_set_own_context(void *context);
/* Called at the end of a thread that has a context. */
void autograd_v2_impl_thread_ends(void);

/* A number that names the calling thread while it lives. */
uintptr_t autograd_v2_state_thread(void);

/* The thread's latest message. Setting it cuts it to 2047 bytes. */
const char *autograd_v2_state_message(void);
void autograd_v2_state_set_message(const char *message);

/* A mutex for what contexts share, one that thread checkers know. */
void autograd_v2_state_lock(void);
void autograd_v2_state_unlock(void);

void autograd_v2_state_set_handler(AutogradErrorHandler handler, void *user);
/* Hands the thread's message to the handler. */
void autograd_v2_state_report(void);

const char *autograd_v2_state_version(void);
/* The path that load_shakespeare reads. */
const char *autograd_v2_state_shakespeare(void);

/* A function of the program's that the library calls: one of the three. */
typedef struct AutogradV2Callout {
  BackwardFunc backward;
  VariableV2 *(*part)(VariableV2 *x, void *user);
  VariableV2 *(*forward)(void *user);
  void *user;
  VariableV2 *x;
  TensorV2 *gradient;
  VariableV2 *result;
} AutogradV2Callout;

/* Calls it, between autograd_v2_impl_callout_begins, which gets the call's mark, and autograd_v2_impl_callout_ends. An
 * exception or a longjmp out of it leaves the second out. */
void autograd_v2_state_call_out(AutogradV2Callout *callout);
int autograd_v2_impl_callout_begins(uintptr_t mark);
void autograd_v2_impl_callout_ends(int place);

/* Whether the call with that mark was left without an end: the thread's stack no longer reaches as far, which is quick
 * to see, or the call is not among the callers, which takes a walk over them. Both say no where they cannot know, as on
 * a stack of the program's own. */
bool autograd_v2_state_has_returned_past(uintptr_t mark);
bool autograd_v2_state_has_left(uintptr_t mark);

/* A text of the thread's own, kept until the next call; NULL where there is no memory. */
const char *autograd_v2_state_keep_text(const char *text);

#endif
