/* Every operation's gradient against central differences, computed here, with a cotangent that is not all ones. */
#include "check.h"
#include "transformer_v2.h"

enum { OPERANDS = 3 };

typedef VariableV2 *(*Operation)(VariableV2 **x);

static VariableV2 *cotangent_of(const VariableV2 *y) {
  TensorV2 *t = tensor_clone_temp(y->data);
  for (int i = 0; i < t->size; i++) t->data[i] = cos(1 + 3.7 * i);
  return var_create_temp(t, false);
}

/* ⟨cotangent, operation(x)⟩ */
static VariableV2 *contracted(Operation operation, VariableV2 **x) {
  VariableV2 *y = operation(x);
  CHECK(y);
  return ag_sum(ag_multiply(y, cotangent_of(y)));
}

static void check(const char *name, Operation operation, VariableV2 **x, int count) {
  autograd_reset_iteration();
  VariableV2 *loss = contracted(operation, x);
  loss->grad->data[0] = 1.0;
  CHECK(tape_backward(g_tape) == 0);
  double *gradients[OPERANDS];
  for (int p = 0; p < count; p++) {
    size_t bytes = sizeof(double) * (size_t)(x[p]->data->size + 1);
    gradients[p] = malloc(bytes);
    memcpy(gradients[p], x[p]->grad->data, sizeof(double) * (size_t)x[p]->data->size);
  }
  for (int p = 0; p < count; p++) {
    for (int i = 0; i < x[p]->data->size; i++) {
      double *value = &x[p]->data->data[i], kept = *value, side[2];
      const double h = 1e-5;
      for (int s = 0; s < 2; s++) {
        autograd_reset_iteration();
        *value = kept + (s ? h : -h);
        side[s] = contracted(operation, x)->data->data[0];
      }
      *value = kept;
      double numeric = (side[1] - side[0]) / (2 * h);
      if (!(fabs(numeric - gradients[p][i]) <= 1e-7 * (1 + fabs(numeric)))) {
        fprintf(stderr, "%s: operand %d, element %d: backward %.12g, difference %.12g\n", name, p, i, gradients[p][i],
                numeric);
        exit(1);
      }
    }
    free(gradients[p]);
  }
  for (int p = 0; p < count; p++) var_free_persistent(x[p]);
  autograd_reset_iteration();
}

#define SHAPE(...) (const int[]){__VA_ARGS__}
#define P(rank, ...) parameter(SHAPE(__VA_ARGS__), rank)

static VariableV2 *positive(VariableV2 *v) {
  for (int i = 0; i < v->data->size; i++) v->data->data[i] = 1.2 + 0.5 * v->data->data[i];
  return v;
}

static VariableV2 *away(VariableV2 *v) {
  for (int i = 0; i < v->data->size; i++) v->data->data[i] += v->data->data[i] < 0 ? -0.2 : 0.2;
  return v;
}

static VariableV2 *op_add(VariableV2 **x) { return ag_add(x[0], x[1]); }
static VariableV2 *op_var_add(VariableV2 **x) { return var_add(x[0], x[1]); }
static VariableV2 *op_subtract(VariableV2 **x) { return ag_subtract(x[0], x[1]); }
static VariableV2 *op_multiply(VariableV2 **x) { return ag_multiply(x[0], x[1]); }
static VariableV2 *op_divide(VariableV2 **x) { return ag_divide(x[0], x[1]); }
static VariableV2 *op_matmul(VariableV2 **x) { return ag_matmul(x[0], x[1]); }
static VariableV2 *op_left_transposed(VariableV2 **x) { return ag_matmul_transposed(x[0], x[1], true, false); }
static VariableV2 *op_right_transposed(VariableV2 **x) { return ag_matmul_transposed(x[0], x[1], false, true); }
static VariableV2 *op_both_transposed(VariableV2 **x) { return ag_matmul_transposed(x[0], x[1], true, true); }
static VariableV2 *op_transpose(VariableV2 **x) { return ag_transpose(x[0]); }
static VariableV2 *op_permute(VariableV2 **x) { return ag_permute(x[0], SHAPE(2, 0, -2), 3); }
static VariableV2 *op_reshape(VariableV2 **x) { return var_reshape(x[0], SHAPE(3, -1), 2); }
static VariableV2 *op_relu(VariableV2 **x) { return ag_relu(x[0]); }
static VariableV2 *op_var_relu(VariableV2 **x) { return var_relu(x[0]); }
static VariableV2 *op_gelu(VariableV2 **x) { return ag_gelu(x[0]); }
static VariableV2 *op_gelu_exact(VariableV2 **x) { return ag_gelu_exact(x[0]); }
static VariableV2 *op_silu(VariableV2 **x) { return ag_silu(x[0]); }
static VariableV2 *op_tanh(VariableV2 **x) { return ag_tanh(x[0]); }
static VariableV2 *op_sigmoid(VariableV2 **x) { return ag_sigmoid(x[0]); }
static VariableV2 *op_exp(VariableV2 **x) { return ag_exp(x[0]); }
static VariableV2 *op_log(VariableV2 **x) { return ag_log(x[0]); }
static VariableV2 *op_sqrt(VariableV2 **x) { return ag_sqrt(x[0]); }
static VariableV2 *op_pow(VariableV2 **x) { return ag_pow(x[0], 1.7); }
static VariableV2 *op_power(VariableV2 **x) { return ag_power(x[0], x[1]); }
static VariableV2 *op_neg(VariableV2 **x) { return ag_neg(x[0]); }
static VariableV2 *op_abs(VariableV2 **x) { return ag_abs(x[0]); }
static VariableV2 *op_clip(VariableV2 **x) { return ag_clip(x[0], -0.5, 0.4); }
static VariableV2 *op_log_softmax(VariableV2 **x) { return ag_log_softmax(x[0]); }
static VariableV2 *op_log_sum_exp(VariableV2 **x) { return ag_log_sum_exp(x[0], false); }
static VariableV2 *op_log_sum_exp_kept(VariableV2 **x) { return ag_log_sum_exp(x[0], true); }
static VariableV2 *op_scale(VariableV2 **x) { return ag_scale(x[0], -2.5); }
static VariableV2 *op_softmax(VariableV2 **x) { return ag_softmax(x[0]); }
static VariableV2 *op_softmax_2d(VariableV2 **x) { return var_softmax_2d(x[0]); }
static VariableV2 *op_sum(VariableV2 **x) { return ag_sum(x[0]); }
static VariableV2 *op_mean(VariableV2 **x) { return ag_mean(x[0]); }
static VariableV2 *op_max(VariableV2 **x) { return ag_max(x[0]); }
static VariableV2 *op_min(VariableV2 **x) { return ag_min(x[0]); }
static VariableV2 *op_min_axis(VariableV2 **x) { return ag_min_axis(x[0], 0, true); }
static VariableV2 *op_sum_axis(VariableV2 **x) { return ag_sum_axis(x[0], 0, true); }
static VariableV2 *op_mean_axis(VariableV2 **x) { return ag_mean_axis(x[0], -1, false); }
static VariableV2 *op_max_axis(VariableV2 **x) { return ag_max_axis(x[0], 1, false); }
static VariableV2 *op_variance(VariableV2 **x) { return ag_variance(x[0], 1); }
static VariableV2 *op_variance_axis(VariableV2 **x) { return ag_variance_axis(x[0], 1, false, 0); }
static VariableV2 *op_variance_kept(VariableV2 **x) { return ag_variance_axis(x[0], -3, true, 0.5); }
static VariableV2 *op_where(VariableV2 **x) { return ag_where(ag_less(x[0], x[1]), x[1], x[2]); }
static VariableV2 *op_where_row(VariableV2 **x) { return ag_where(ag_greater(x[0], x[1]), x[1], x[0]); }
static VariableV2 *op_gather(VariableV2 **x) { return ag_gather(x[0], SHAPE(2, 0, 2, 1, 1, 2), SHAPE(3, 2), 2, 0); }
static VariableV2 *op_pick(VariableV2 **x) { return ag_gather(x[0], SHAPE(3, 0, 3), SHAPE(3), 1, -1); }
static VariableV2 *op_slice(VariableV2 **x) { return ag_slice(x[0], 1, 1, 2); }
static VariableV2 *op_concat(VariableV2 **x) { return ag_concat((VariableV2 *[]){x[0], x[1], x[0]}, 3, 1); }
static VariableV2 *op_stack(VariableV2 **x) { return ag_stack((VariableV2 *[]){x[0], x[1], x[0]}, 3, -2); }
static VariableV2 *op_layer_norm(VariableV2 **x) { return ag_layer_norm(x[0], x[1], x[2], 1e-5); }
static VariableV2 *op_plain_norm(VariableV2 **x) { return ag_layer_norm(x[0], NULL, NULL, 1e-5); }
static VariableV2 *op_attention(VariableV2 **x) { return ag_attention(x[0], x[1], x[2], 2); }
static VariableV2 *op_embedding(VariableV2 **x) { return ag_embedding(x[0], SHAPE(2, 0, 2, 1), 4); }
static VariableV2 *op_loss(VariableV2 **x) { return compute_cross_entropy_loss(x[0], SHAPE(2, 0, 1), 3); }
static VariableV2 *op_partial_loss(VariableV2 **x) { return ag_cross_entropy_ignoring(x[0], SHAPE(2, -1, 1), 3, -1); }
static VariableV2 *op_linear_loss(VariableV2 **x) { return ag_linear_cross_entropy(x[0], x[1], SHAPE(4, 0, 1), 3); }
static VariableV2 *op_partial_linear_loss(VariableV2 **x) {
  return ag_linear_cross_entropy_ignoring(x[0], x[1], SHAPE(4, 9, 9, 0, 1, 1), 6, 9);
}
static VariableV2 *op_soft_loss(VariableV2 **x) { return ag_cross_entropy_loss(x[0], ag_softmax(x[1])); }

static VariableV2 *op_squared_error(VariableV2 **x) { return ag_squared_error(x[0], x[1]); }
static VariableV2 *op_binary_loss(VariableV2 **x) { return ag_binary_cross_entropy(x[0], ag_sigmoid(x[1])); }

static VariableV2 *op_class_loss(VariableV2 **x) {
  TensorV2 *t = tensor_create_temp(SHAPE(3), 1);
  t->data[0] = 2;
  return ag_cross_entropy_loss(x[0], var_create_temp(t, false));
}

static VariableV2 *op_attention_dropout(VariableV2 **x) {
  autograd_set_seed(7);
  return ag_attention_dropout(x[0], x[1], x[2], 2, 0.3);
}

static VariableV2 *op_dropout(VariableV2 **x) {
  autograd_set_seed(7);
  return ag_dropout(x[0], 0.4);
}

/* Forward by hand, backward recorded. */
static VariableV2 *op_recorded_norm(VariableV2 **x) {
  int rows = x[0]->data->shape[0], n = x[0]->data->shape[1];
  VariableV2 *y = var_create_temp(tensor_create_temp(x[0]->data->shape, 2), true);
  double means[8], vars[8];
  for (int r = 0; r < rows; r++) {
    const double *row = x[0]->data->data + r * n;
    means[r] = vars[r] = 0;
    for (int i = 0; i < n; i++) means[r] += row[i] / n;
    for (int i = 0; i < n; i++) vars[r] += (row[i] - means[r]) * (row[i] - means[r]) / n;
    for (int i = 0; i < n; i++) {
      y->data->data[r * n + i] =
          (row[i] - means[r]) / sqrt(vars[r] + 1e-5) * x[1]->data->data[i] + x[2]->data->data[i];
    }
  }
  int result = rows == 1 ? tape_record_layer_norm(y, x[0], x[1], x[2], means[0], vars[0])
                         : tape_record_layer_norm_v2(y, x[0], x[1], x[2], means, vars, rows);
  CHECK(result == 0);
  return y;
}

static VariableV2 *op_recorded_loss(VariableV2 **x) {
  static const int targets[] = {1, 0};
  VariableV2 *loss = var_create_temp(tensor_zeros_temp(SHAPE(1), 1), true);
  for (int r = 0; r < 2; r++) {
    const double *row = x[0]->data->data + 3 * r;
    loss->data->data[0] += (log(exp(row[0]) + exp(row[1]) + exp(row[2])) - row[targets[r]]) / 2;
  }
  CHECK(tape_record_cross_entropy(loss, x[0], targets, 2) == 0);
  return loss;
}

#define ONE(operation, x) check(#operation, operation, (VariableV2 *[]){x}, 1)
#define TWO(operation, x, y) check(#operation, operation, (VariableV2 *[]){x, y}, 2)
#define THREE(operation, x, y, z) check(#operation, operation, (VariableV2 *[]){x, y, z}, 3)

/* ---------------------------------------------------------------------------------------------------------------
 * The checker itself: right gradients of models with fresh weights pass, wrong ones do not. */

static VariableV2 *model_loss(void *model) {
  static const int tokens[] = {1, 2, 0, 3}, targets[] = {2, 0, 3, 1};
  return compute_cross_entropy_loss(transformer_forward(model, tokens, 4), targets, 4);
}

typedef struct Smooth { Embedding *table; LayerNorm *norm; Linear *head; } Smooth;

static VariableV2 *smooth_loss(void *user) {
  static const int tokens[] = {1, 2, 0, 3}, targets[] = {2, 0, 3, 1};
  Smooth *s = user;
  VariableV2 *x = layernorm_forward(s->norm, embedding_forward(s->table, tokens, 4));
  return compute_cross_entropy_loss(linear_forward(s->head, x), targets, 4);
}

/* Weights of 0.02 behind a norm, and ReLUs whose kinks are near. */
static void fresh_models(void) {
  for (uint64_t seed = 1; seed <= 10; seed++) {
    VariableV2 **params;
    int count;
    autograd_set_seed(seed);
    TransformerV2 *model = transformer_create(5, 8, 2, 2, 16, 6);
    CHECK(transformer_get_params(model, &params, &count) == 0);
    CHECK(autograd_check_gradients(model_loss, model, params, count, 1e-4) == 0);
    free(params);
    transformer_free(model);
    Smooth s = {embedding_create(5, 8), layernorm_create(8), linear_create(8, 5)};
    VariableV2 *list[] = {s.table->embeddings, s.norm->gamma, s.norm->beta, s.head->weight, s.head->bias};
    CHECK(autograd_check_gradients(smooth_loss, &s, list, 5, 1e-5) == 0);
    embedding_free(s.table);
    layernorm_free(s.norm);
    linear_free(s.head);
  }
}

typedef struct Skewed { VariableV2 *x; double factor; } Skewed;

static void skewed_backward(void *ctx, TensorV2 *gradient) {
  Skewed *s = ctx;
  for (int i = 0; i < gradient->size; i++) s->x->grad->data[i] += s->factor * gradient->data[i];
}

/* x, whose gradient is off by a factor. */
static VariableV2 *skewed_loss(void *user) {
  Skewed *s = user;
  VariableV2 *y = var_create_temp(tensor_clone_temp(s->x->data), true);
  CHECK(tape_add_op(g_tape, &s->x, 1, y, skewed_backward, s) == 0);
  return ag_sum(ag_multiply(y, y));
}

static void wrong_gradients(void) {
  static const double factors[] = {1.001, 0.5, 2, -1, 0};
  Skewed s = {parameter((const int[]){3}, 1), 1};
  CHECK(autograd_check_gradients(skewed_loss, &s, &s.x, 1, 1e-6) == 0);
  for (int i = 0; i < 5; i++) {
    s.factor = factors[i];
    double before = s.x->data->data[1];
    CHECK(autograd_check_gradients(skewed_loss, &s, &s.x, 1, 1e-6) == -1);
    CHECK_ERROR("gradient check fails");
    CHECK(s.x->data->data[1] == before);
  }
  var_free_persistent(s.x);
}

int main(void) {
  TWO(op_add, P(2, 3, 4), P(1, 4));
  TWO(op_var_add, P(1, 4), P(2, 3, 4));
  TWO(op_subtract, P(2, 3, 1), P(2, 1, 4));
  TWO(op_multiply, P(2, 3, 4), P(2, 3, 4));
  TWO(op_divide, P(2, 3, 4), positive(P(1, 4)));
  TWO(op_matmul, P(2, 3, 4), P(2, 4, 2));
  TWO(op_matmul, P(3, 2, 3, 4), P(2, 4, 2));
  TWO(op_left_transposed, P(2, 4, 3), P(2, 4, 2));
  TWO(op_right_transposed, P(3, 2, 3, 4), P(2, 2, 4));
  TWO(op_both_transposed, P(2, 4, 3), P(2, 2, 4));
  ONE(op_transpose, P(2, 3, 4));
  ONE(op_permute, P(3, 2, 3, 4));
  ONE(op_reshape, P(2, 2, 6));
  ONE(op_relu, away(P(2, 3, 4)));
  ONE(op_var_relu, away(P(1, 7)));
  ONE(op_gelu, P(1, 9));
  ONE(op_gelu_exact, P(1, 9));
  ONE(op_silu, P(1, 9));
  ONE(op_tanh, P(1, 9));
  ONE(op_sigmoid, P(1, 9));
  ONE(op_exp, P(1, 9));
  ONE(op_log, positive(P(1, 9)));
  ONE(op_sqrt, positive(P(1, 9)));
  ONE(op_pow, positive(P(1, 9)));
  TWO(op_power, positive(P(2, 3, 1)), P(1, 4));
  ONE(op_neg, P(1, 3));
  ONE(op_abs, away(P(1, 9)));
  ONE(op_clip, P(1, 9));
  ONE(op_log_softmax, P(3, 2, 3, 4));
  ONE(op_log_sum_exp, P(3, 2, 3, 4));
  ONE(op_log_sum_exp_kept, P(2, 3, 4));
  ONE(op_scale, P(1, 3));
  ONE(op_softmax, P(3, 2, 3, 4));
  ONE(op_softmax_2d, P(2, 3, 4));
  ONE(op_sum, P(2, 3, 4));
  ONE(op_mean, P(2, 3, 4));
  ONE(op_max, P(2, 3, 4));
  ONE(op_min, P(2, 3, 4));
  ONE(op_min_axis, P(2, 3, 4));
  ONE(op_sum_axis, P(2, 3, 4));
  ONE(op_mean_axis, P(2, 3, 4));
  ONE(op_max_axis, P(2, 3, 4));
  ONE(op_variance, P(2, 3, 4));
  ONE(op_variance_axis, P(3, 2, 3, 2));
  ONE(op_variance_kept, P(3, 2, 3, 2));
  THREE(op_where, P(2, 3, 4), P(2, 3, 1), P(1, 4));
  TWO(op_where_row, P(2, 3, 4), P(1, 4));
  ONE(op_gather, P(2, 3, 2));
  ONE(op_pick, P(2, 3, 4));
  ONE(op_slice, P(2, 3, 4));
  TWO(op_concat, P(2, 3, 4), P(2, 3, 2));
  TWO(op_stack, P(2, 3, 2), P(2, 3, 2));
  THREE(op_layer_norm, P(2, 3, 5), P(1, 5), P(1, 5));
  ONE(op_plain_norm, P(2, 3, 5));
  THREE(op_attention, P(2, 5, 4), P(2, 5, 4), P(2, 5, 4));
  THREE(op_attention, P(3, 2, 3, 4), P(3, 2, 3, 4), P(3, 2, 3, 4));
  THREE(op_attention_dropout, P(2, 5, 4), P(2, 5, 4), P(2, 5, 4));
  ONE(op_embedding, P(2, 3, 4));
  ONE(op_loss, P(2, 3, 4));
  ONE(op_partial_loss, P(2, 3, 4));
  TWO(op_linear_loss, P(2, 3, 4), P(2, 5, 4));
  TWO(op_partial_linear_loss, P(3, 2, 3, 4), P(2, 5, 4));
  TWO(op_soft_loss, P(2, 3, 4), P(2, 3, 4));
  TWO(op_squared_error, P(2, 3, 4), P(2, 3, 4));
  TWO(op_binary_loss, P(2, 3, 4), P(2, 3, 4));
  ONE(op_class_loss, P(2, 3, 4));
  ONE(op_dropout, P(2, 3, 4));
  THREE(op_recorded_norm, P(2, 3, 5), P(1, 5), P(1, 5));
  THREE(op_recorded_norm, P(2, 1, 5), P(1, 5), P(1, 5));
  ONE(op_recorded_loss, P(2, 2, 3));
  quiet();
  fresh_models();
  wrong_gradients();
  autograd_v2_cleanup();
  return 0;
}
