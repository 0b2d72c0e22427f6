// The arguments of the process, noted before main. In a file of its own: a static library takes it only where it is used.
#include "CAutogradSystem.h"

static int argument_count;
static char **arguments;

#if defined(__GLIBC__)
// glibc calls constructors with the arguments of main; other systems do not.
__attribute__((constructor)) static void note_arguments(int count, char **values) {
  argument_count = count;
  arguments = values;
}
#endif

int csystem_argument_count(void) { return argument_count; }

const char *csystem_argument(int index) { return arguments[index]; }
