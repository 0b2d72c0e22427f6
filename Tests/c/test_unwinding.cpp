// Exceptions out of what the library calls: they reach whoever called it, and the context is usable again.
#include <cstring>
#include <stdexcept>

#include "check.h"

static VariableV2 *two() {
  int shape[] = {1};
  TensorV2 *tensor = tensor_create_persistent(shape, 1);
  tensor->data[0] = 2;
  return var_create_parameter(tensor);
}

static void throwing_backward(void *, TensorV2 *) { throw std::runtime_error("from a backward"); }
static VariableV2 *throwing_part(VariableV2 *, void *) { throw std::runtime_error("from a part"); }

static VariableV2 *late_part(VariableV2 *x, void *runs) {
  if (++*static_cast<int *>(runs) == 2) throw std::runtime_error("from a part's second run");
  return ag_exp(x);
}

static VariableV2 *throwing_loss(void *) { throw std::runtime_error("from a loss"); }
static void throwing_handler(const char *, void *) { throw std::runtime_error("from a handler"); }

static void leave(int way, VariableV2 *x) {
  int shape[] = {1}, runs = 0;
  if (way == 0) {
    VariableV2 *y = var_create_temp(tensor_create_temp(shape, 1), true);
    tape_add_op(g_tape, &x, 1, y, throwing_backward, nullptr);
    autograd_backward(ag_sum(y));
  }
  if (way == 1) ag_recompute(x, throwing_part, nullptr);
  if (way == 2) autograd_backward(ag_recompute(x, late_part, &runs));
  if (way == 3) autograd_check_gradients(throwing_loss, nullptr, &x, 1, 1e-6);
  if (way == 4) {
    autograd_set_error_handler(throwing_handler, nullptr);
    ag_relu(nullptr);
  }
}

// An inner exception that the outer part catches fails the outer call.
static VariableV2 *catching_part(VariableV2 *x, void *) {
  try {
    ag_recompute(x, throwing_part, nullptr);
    return nullptr;
  } catch (const std::exception &) {
    return x;
  }
}

int main() {
  quiet();
  VariableV2 *x = two();
  for (int round = 0; round < 3; round++) {
    for (int way = 0; way < 5; way++) {
      bool caught = false;
      try {
        leave(way, x);
      } catch (const std::exception &error) {
        caught = std::strncmp(error.what(), "from a ", 7) == 0;
      }
      quiet();
      CHECK(caught);
      autograd_clear_error();
      if (round == 1) CHECK(autograd_reset_iteration() == 0);
      if (round == 2) autograd_v2_cleanup();
      CHECK(autograd_backward(ag_multiply(x, x)) == 0 && x->grad->data[0] == 4);
      CHECK(autograd_reset_iteration() == 0 && reported_errors == 0);
    }
  }
  CHECK(!ag_recompute(x, catching_part, nullptr));
  CHECK_ERROR("an exception or a longjmp left a function that the library was calling");
  CHECK(autograd_backward(ag_multiply(x, x)) == 0 && autograd_reset_iteration() == 0);
  var_free_persistent(x);
  autograd_v2_cleanup();
  return 0;
}
