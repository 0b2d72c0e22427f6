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
/* Called at the end of a thread that has a context of its own. */
void autograd_v2_impl_thread_ends(void *context);

/* A number that names the calling thread while it lives. */
uintptr_t autograd_v2_state_thread(void);

/* The thread's latest message. Setting it cuts it to 2047 bytes. */
const char *autograd_v2_state_message(void);
void autograd_v2_state_set_message(const char *message);

void autograd_v2_state_set_handler(AutogradErrorHandler handler, void *user);
/* Hands the thread's message to the handler. */
void autograd_v2_state_report(void);

const char *autograd_v2_state_version(void);
/* The path that load_shakespeare reads. */
const char *autograd_v2_state_shakespeare(void);

/* A text of the thread's own, kept until the next call; NULL where there is no memory. */
const char *autograd_v2_state_keep_text(const char *text);

#endif
