// Elementary functions over vectors: own polynomials, the same in every kernel that needs them.
// Largest errors are measured by the tests (Tests/AutogradKernelsTests/ElementaryFunctionTests.swift).

INLINE vec polynomial(vec x, const REAL *coefficients, int count) {
  vec y = splat(coefficients[count - 1]);
  for (int i = count - 2; i >= 0; i--) y = fma_(y, x, splat(coefficients[i]));
  return y;
}

// x = n·ln 2 + r with |r| ≤ ln 2 / 2; yields 2ⁿ and e^r − 1. `x` lies within the exponent range, or is NaN, and then
// so is the result.
INLINE vec reduced_exp(vec x, vec *power) {
  static const REAL series[] = {1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040,
#if REAL_BITS == 64
    1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800,
#endif
  };
  // Added to it, a number is rounded to the nearest integer, which stands in the last bits as an exponent field has it.
  const REAL magic = (REAL_BITS == 32 ? (REAL)0x1.8p23 : (REAL)0x1.8p52) + EXPONENT_BIAS;
  vec shifted = fma_(x, splat((REAL)1.4426950408889634074), splat(magic));
  vec n = shifted - magic;
  *power = (vec)((ivec)shifted << MANTISSA_BITS);
  vec r = fma_(n, splat((REAL)-LN2_HIGH), x);
  r = fma_(n, splat((REAL)-LN2_LOW), r);
  return r * polynomial(r, series, sizeof series / sizeof *series);
}

// e^x for x ≤ 0, as softmax and its kin have it: 0 below the smallest normal number. NaN stays NaN.
INLINE vec exp_falling(vec x) {
  const vec low = splat((REAL)EXP_LOW);
  vec power, p = reduced_exp(select(x < low, low, x), &power);
  return select(x < low, splat(0), fma_(p, power, power));
}

// e^x over the whole range: the last power of two does not fit an exponent field and is split off. 0 below the
// smallest normal number, NaN stays NaN.
INLINE vec exp_full(vec x) {
  const vec low = splat((REAL)EXP_LOW), high = splat((REAL)EXP_MAX);
  vec power, clamped = select(x < low, low, select(x > high, high, x));
  vec p = reduced_exp(clamped, &power);
  const ivec top = clamped > splat((REAL)EXP_HIGH);
  power = (vec)((ivec)power - (top & ((INTEGER)1 << MANTISSA_BITS)));
  vec y = fma_(p, power, power);
  y = select(top, y + y, y);
  return select(x < low, splat(0), select(x > high, splat((REAL)INFINITY), y));
}

INLINE vec tanh_(vec x) {
  const vec limit = splat(REAL_BITS == 32 ? (REAL)10 : (REAL)20);
  vec a = absolute(x), power;
  vec clamped = select(a > limit, limit, a);
  vec p = reduced_exp(clamped + clamped, &power);
  vec expm1 = fma_(p, power, power - 1);  // e^(2|x|) − 1 without cancellation
  vec y = expm1 / (expm1 + 2);
  const ivec sign = (ivec){0} + INTEGER_MIN;
  return (vec)((ivec)y | ((ivec)x & sign));
}

// log x; −∞ at 0, NaN below. Subnormal numbers are scaled first.
INLINE vec log_(vec x) {
  static const REAL series[] = {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9,
#if REAL_BITS == 64
    2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23,
#endif
  };
  const REAL smallest = REAL_BITS == 32 ? (REAL)0x1p-126 : (REAL)0x1p-1022;
  const REAL up = REAL_BITS == 32 ? (REAL)0x1p24 : (REAL)0x1p54;
  ivec subnormal = x < splat(smallest);
  vec scaled = select(subnormal, x * up, x);
  // m in [√½, √2): take √½'s bits off before splitting exponent and mantissa.
  const INTEGER root_half = REAL_BITS == 32 ? (INTEGER)0x3F3504F3 : (INTEGER)0x3FE6A09E667F3BCDll;
  ivec bits = (ivec)scaled - root_half;
  ivec exponent = bits >> MANTISSA_BITS;
  vec m = (vec)((ivec)scaled - (exponent << MANTISSA_BITS));
  vec e = __builtin_convertvector(exponent, vec);
  e = select(subnormal, e - (REAL)(REAL_BITS == 32 ? 24 : 54), e);
  vec f = m - 1, s = f / (m + 1), z = s * s;
  vec tail = s * z * polynomial(z, series, sizeof series / sizeof *series);
  // log m = 2s + tail, and 2s = f − s·f exactly enough.
  vec y = f - fma_(s, f, -fma_(e, splat((REAL)LN2_LOW), tail));
  y = fma_(e, splat((REAL)LN2_HIGH), y);
  y = select(x == splat((REAL)INFINITY), x, y);
  y = select(x == splat(0), splat((REAL)-INFINITY), y);
  return select((x != x) | (x < splat(0)), splat((REAL)NAN), y);
}

INLINE vec erf_(vec x) {
  static const REAL series[] = ERF_SERIES, tail[] = ERF_TAIL;
  vec a = absolute(x), limit = splat((REAL)ERF_LIMIT);
  vec clamped = select(a > limit, limit, a);
  vec near = x * polynomial(x * x, series, sizeof series / sizeof *series);
  vec t = 2 / (2 + clamped);
  vec s = (t - (REAL)ERF_MIDDLE) * (REAL)ERF_INVERSE_HALF;
  vec far = 1 - exp_falling(-clamped * clamped) * polynomial(s, tail, sizeof tail / sizeof *tail);
  const ivec sign = (ivec){0} + INTEGER_MIN;
  far = (vec)((ivec)far | ((ivec)x & sign));
  return select(a < splat(1), near, select(x != x, x, far));
}

// 1/(1 + e^−x) without overflow; e^−|x| into `small`.
INLINE vec sigmoid_(vec x, vec *small) {
  *small = exp_falling(-absolute(x));
  vec y = 1 / (1 + *small);
  return select(x < splat(0), *small * y, y);
}

// log(1 + x) for 0 ≤ x ≤ 1: what rounding took from 1 + x is put back (Kahan).
INLINE vec log1p_(vec x) {
  vec u = 1 + x, d = u - 1;
  return select(d == splat(0), x, log_(u) * (x / d));
}

// a^b, the C library's; 1 and 2 as exponents are exact or rounded once, whatever the other lanes hold.
INLINE vec power_(vec a, vec b) {
  vec y = select(b == splat(1), a, a * a);
  for (int i = 0; i < LANES; i++) {
    if (b[i] != 1 && b[i] != 2) y[i] = POW(a[i], b[i]);
  }
  return y;
}

// ---------------------------------------------------------------------------------------------------------
// Activations: value, and derivative at x. Exp, tanh and sqrt take theirs from the value y.

// The functions that follow a product: what `Activation` is in Swift.
#define LAYER_ACTIVATIONS(CASE) \
  CASE(CK_RELU) CASE(CK_GELU_TANH) CASE(CK_GELU_ERF) CASE(CK_TANH) CASE(CK_SIGMOID) CASE(CK_SILU) CASE(CK_RELU_SQUARED)

#define GELU_A 0.79788456080286535588  // √(2/π)
#define GELU_B 0.044715

INLINE vec activation(int op, vec x) {
  switch (op) {
  case CK_RELU: return select(x < splat(0), splat(0), x);
  case CK_GELU_TANH: {
    vec inner = (REAL)GELU_A * x * fma_(x * x, splat((REAL)GELU_B), splat(1));
    return (REAL)0.5 * x * (1 + tanh_(inner));
  }
  case CK_GELU_ERF: return (REAL)0.5 * x * (1 + erf_(x * (REAL)0.70710678118654752440));
  case CK_EXP: return exp_full(x);
  case CK_LOG: return log_(x);
  case CK_TANH: return tanh_(x);
  case CK_SIGMOID: { vec small; return sigmoid_(x, &small); }
  case CK_SILU: { vec small; return x * sigmoid_(x, &small); }
  case CK_SQRT: return square_root(x);
  case CK_ABS: return absolute(x);
  case CK_RELU_SQUARED: { const vec y = select(x < splat(0), splat(0), x); return y * y; }
  default: return x;
  }
}

INLINE vec derivative(int op, vec x, vec y) {
  switch (op) {
  case CK_RELU: return select(x <= splat(0), splat(0), select(x != x, x, splat(1)));
  case CK_GELU_TANH: {
    // Beyond it tanh is ±1; the cube of a large x would be infinite, and infinity times zero is none.
    const vec limit = splat(32);
    x = select(x > limit, limit, select(x < -limit, -limit, x));
    vec inner = (REAL)GELU_A * x * fma_(x * x, splat((REAL)GELU_B), splat(1));
    vec slope = (REAL)GELU_A * fma_(x * x, splat((REAL)(3 * GELU_B)), splat(1));
    vec t = tanh_(inner);
    return (REAL)0.5 * (1 + t + x * slope * (1 - t * t));
  }
  case CK_GELU_ERF: {
    vec density = (REAL)0.39894228040143267794 * exp_falling((REAL)-0.5 * x * x);
    return fma_(x, density, (REAL)0.5 * (1 + erf_(x * (REAL)0.70710678118654752440)));
  }
  case CK_EXP: return y;
  case CK_LOG: return 1 / x;
  case CK_TANH: return 1 - y * y;
  case CK_SIGMOID: {
    vec small;
    vec s = sigmoid_(x, &small), root = 1 + small;
    return select(s == s, small / (root * root), s);
  }
  case CK_SILU: {
    vec small;
    vec s = sigmoid_(x, &small), root = 1 + small;
    return fma_(x, small / (root * root), s);
  }
  case CK_SQRT: return (REAL)0.5 / y;
  case CK_ABS: return select(x < splat(0), splat(-1), select(x > splat(0), splat(1), x * 0));
  case CK_RELU_SQUARED: return select(x <= splat(0), splat(0), x + x);
  default: return splat(1);
  }
}
