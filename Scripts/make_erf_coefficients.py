"""Prints the polynomials behind the kernels' erf as a C header.

|x| < 1:  erf(x) = x · P(x²), the Taylor series.
1 ≤ |x|:  erf(x) = 1 − exp(−x²) · Q(s), with t = 2 / (2 + |x|) and s = (t − middle) / half in [−1, 1]:
          a Chebyshev fit of exp(x²) · erfc(x), turned into powers of s.

Usage: python3 Scripts/make_erf_coefficients.py > Sources/CAutogradKernels/erf_coefficients.h   (needs mpmath)
"""

from mpmath import mp, mpf, chebyfit, erfc, exp, factorial, pi, sqrt

mp.dps = 60


def taylor(terms):
    return [2 / sqrt(pi) * (-1) ** n / (factorial(n) * (2 * n + 1)) for n in range(terms)]


def tail(limit, terms):
    low, high = mpf(2) / (2 + limit), mpf(2) / 3
    middle, half = (low + high) / 2, (high - low) / 2

    def scaled_erfc(s):
        x = 2 / (middle + half * s) - 2
        return exp(x * x) * erfc(x)

    powers, error = chebyfit(scaled_erfc, [-1, 1], terms, error=True)
    return middle, half, powers[::-1], error


def define(name, values):
    body = ", ".join(mp.nstr(value, 20) for value in values)
    return f"#define {name} {{{body}}}\n#define {name}_COUNT {len(values)}"


def main():
    print("// Made by Scripts/make_erf_coefficients.py. Ascending powers.")
    for suffix, limit, series_terms, tail_terms in (("F32", 4, 11, 8), ("F64", 6, 20, 17)):
        middle, half, powers, error = tail(mpf(limit), tail_terms)
        print(f"\n// {suffix}: from |x| = {limit} on, erf is ±1. Fit error {mp.nstr(error, 2)}.")
        print(f"#define ERF_LIMIT_{suffix} {limit}.0")
        print(f"#define ERF_MIDDLE_{suffix} {mp.nstr(middle, 20)}")
        print(f"#define ERF_INVERSE_HALF_{suffix} {mp.nstr(1 / half, 20)}")
        print(define(f"ERF_SERIES_{suffix}", taylor(series_terms)))
        print(define(f"ERF_TAIL_{suffix}", powers))


if __name__ == "__main__":
    main()
