"""Give exp, log, erf and random draws the same bits on every machine, made of exactly rounded operations.

The functions of numpy and of the C library choose their code by the CPU, and differ in the last bit. What
IEEE 754 rounds correctly (+ - * /, comparisons, rounding to an integer) and what is exact (splitting off and
scaling by a power of two) does not, so everything here is made of that. One ufunc call per operation leaves a
compiler nothing to contract into a fused multiply-add, and the paths for one float do the same operations in
the same order: the same bits again. Space and algorithms draw with `uniform` and `normal` from here as well.

Arguments are reduced with a ln 2 of two parts (Cody and Waite, Software Manual for the Elementary Functions,
1980); the minimax coefficients are those published with Sun's fdlibm (e_exp.c and e_log.c), and for erf with
Moshier's Cephes (ndtr.c).
"""

import math
from decimal import Context, Decimal
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_LOG2_E = float.fromhex("0x1.71547652b82fep0")
_LN2_HIGH = float.fromhex("0x1.62e42feep-1")  # 33 bits: times an exponent it is exact
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_SQRT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")

_P1, _P2, _P3, _P4, _P5 = (
    1.66666666666666019037e-01,
    -2.77777777770155933842e-03,
    6.61375632143793436117e-05,
    -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)
_L1, _L2, _L3, _L4, _L5, _L6, _L7 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)

# erf(x) = x T(x**2) / U(x**2) up to 1, then 1 - exp(-x**2) P(x) / Q(x); from 6 on it rounds to 1.
_T = (
    9.60497373987051638749e0,
    9.00260197203842689217e1,
    2.23200534594684319226e3,
    7.00332514112805075473e3,
    5.55923013010394962768e4,
)
_U = (
    1.0,
    3.35617141647503099647e1,
    5.21357949780152679795e2,
    4.59432382970980127987e3,
    2.26290000613890934246e4,
    4.92673942608635921086e4,
)
_P = (
    2.46196981473530512524e-10,
    5.64189564831068821977e-1,
    7.46321056442269912687e0,
    4.86371970985681366614e1,
    1.96520832956077098242e2,
    5.26445194995477358631e2,
    9.34528527171957607540e2,
    1.02755188689515710272e3,
    5.57535335369399327526e2,
)
_Q = (
    1.0,
    1.32281951154744992508e1,
    8.67072140885989742329e1,
    3.54937778887819891062e2,
    9.75708501743205489753e2,
    1.82390916687909736289e3,
    2.24633760818710981792e3,
    1.65666309194161350182e3,
    5.57535340817727675546e2,
)
_DIGITS = Context(prec=25)

# The normal quantile near the middle (A / B), to the side (C / D) and far out (E / F).
_QUANTILE_A = (
    2.5090809287301226727e3,
    3.3430575583588128105e4,
    6.7265770927008700853e4,
    4.5921953931549871457e4,
    1.3731693765509461125e4,
    1.9715909503065514427e3,
    1.3314166789178437745e2,
    3.3871328727963666080e0,
)
_QUANTILE_B = (
    5.2264952788528545610e3,
    2.8729085735721942674e4,
    3.9307895800092710610e4,
    2.1213794301586595867e4,
    5.3941960214247511077e3,
    6.8718700749205790830e2,
    4.2313330701600911252e1,
    1.0,
)
_QUANTILE_C = (
    7.74545014278341407640e-4,
    2.27238449892691845833e-2,
    2.41780725177450611770e-1,
    1.27045825245236838258e0,
    3.64784832476320460504e0,
    5.76949722146069140550e0,
    4.63033784615654529590e0,
    1.42343711074968357734e0,
)
_QUANTILE_D = (
    1.05075007164441684324e-9,
    5.47593808499534494600e-4,
    1.51986665636164571966e-2,
    1.48103976427480074590e-1,
    6.89767334985100004550e-1,
    1.67638483018380384940e0,
    2.05319162663775882187e0,
    1.0,
)
_QUANTILE_E = (
    2.01033439929228813265e-7,
    2.71155556874348757815e-5,
    1.24266094738807843860e-3,
    2.65321895265761230930e-2,
    2.96560571828504891230e-1,
    1.78482653991729133580e0,
    5.46378491116411436990e0,
    6.65790464350110377720e0,
)
_QUANTILE_F = (
    2.04426310338993978564e-15,
    1.42151175831644588870e-7,
    1.84631831751005468180e-5,
    7.86869131145613259100e-4,
    1.48753612908506148525e-2,
    1.36929880922735805310e-1,
    5.99832206555887937690e-1,
    1.0,
)

# Beyond this a standard normal of numpy's ziggurat comes from the tail, by way of the C library's log1p.
_ZIGGURAT_END = 3.6541528853610087963519472518
_ZIGGURAT_END_INVERSE = 0.27366123732975827203338247596
_EXPONENTIAL_ZIGGURAT_END = 7.69711747013104972
_GEOMETRIC_BY_SEARCH_FROM = 0.333333333333333333333333


@overload
def exp(x: float) -> float: ...
@overload
def exp(x: Array) -> Array: ...
def exp(x: float | Array) -> float | Array:
    """Return e to the *x*, of a float or of each element of a float64 array, within 1 ulp."""
    return _exp_of_float(float(x)) if isinstance(x, float | int) else _exp_of_array(x)


@overload
def log(x: float) -> float: ...
@overload
def log(x: Array) -> Array: ...
def log(x: float | Array) -> float | Array:
    """Return the natural logarithm of *x*, a float or a float64 array, within 1 ulp; -inf at 0, nan below."""
    return _log_of_float(float(x)) if isinstance(x, float | int) else _log_of_array(x)


def nearest_log(x: float) -> float:
    """Return the double nearest to the natural logarithm of *x*, in 20 microseconds; -inf at 0."""
    return float(Decimal(x).ln(_DIGITS)) if x > 0.0 else log(x)


def erf(x: Array) -> Array:
    """Return the error function of each element of a float64 array, within 3 ulp."""
    size = np.abs(x)
    y = np.where(size >= 6.0, 1.0, x)  # keeps nan
    is_near = size <= 1.0
    near = size[is_near]
    square = near * near
    y[is_near] = near * _polynomial(_T, square) / _polynomial(_U, square)
    is_far = (size > 1.0) & (size < 6.0)
    far = size[is_far]
    y[is_far] = 1.0 - _exp_of_array(-far * far) * _polynomial(_P, far) / _polynomial(_Q, far)
    return np.copysign(y, x)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw what `rng.uniform(low, high)` draws, whose C code some compilers contract."""
    return low + (high - low) * rng.random()


def normal(rng: np.random.Generator, mu: float, sigma: float) -> float:
    """Draw what `rng.normal(mu, sigma)` draws; see `standard_normal` for what differs."""
    return mu + sigma * standard_normal(rng)


def standard_normal(rng: np.random.Generator) -> float:
    """Draw what `rng.standard_normal()` draws, but the tail beyond 3.65 (one in 4,000) through our own `log`.

    The ziggurat method (Marsaglia and Tsang 2000) accepts a tail draw r - log(u) / r by a second uniform, so
    that u was the last draw but one: a generator that can step back (PCG64, numpy's default) gives it again.
    """
    z = rng.standard_normal()
    if -_ZIGGURAT_END <= z <= _ZIGGURAT_END or not isinstance(rng.bit_generator, np.random.PCG64):
        return z
    state = rng.bit_generator.state
    rng.bit_generator.advance(-2)
    tail = _ZIGGURAT_END - _ZIGGURAT_END_INVERSE * log(1.0 - rng.random())  # exact: u is a multiple of 2**-53
    rng.bit_generator.state = state
    return math.copysign(tail, z)


def standard_exponential(rng: np.random.Generator) -> float:
    """Draw what `rng.standard_exponential()` draws, but the tail beyond 7.7 (one in 2,200) through our own `log`.

    There the ziggurat method returns r - log(u), of which u was the last draw.
    """
    x = rng.standard_exponential()
    if x <= _EXPONENTIAL_ZIGGURAT_END or not isinstance(rng.bit_generator, np.random.PCG64):
        return x
    state = rng.bit_generator.state
    rng.bit_generator.advance(-1)
    tail = _EXPONENTIAL_ZIGGURAT_END - log(1.0 - rng.random())
    rng.bit_generator.state = state
    return tail


def normal_quantile(p: float) -> float:
    """Return the standard normal's quantile at *p*, in (0, 1), within 1e-15 of its size.

    Wichura, Algorithm AS 241, Applied Statistics 37 (1988), PPND16.
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * _horner(_QUANTILE_A, r) / _horner(_QUANTILE_B, r)
    r = math.sqrt(-_log_of_float(min(p, 1.0 - p)))
    if r <= 5.0:
        x = _horner(_QUANTILE_C, r - 1.6) / _horner(_QUANTILE_D, r - 1.6)
    else:
        x = _horner(_QUANTILE_E, r - 5.0) / _horner(_QUANTILE_F, r - 5.0)
    return math.copysign(x, q)


def _horner(coefficients: tuple[float, ...], x: float) -> float:
    y = 0.0
    for coefficient in coefficients:
        y = y * x + coefficient
    return y


def geometric(rng: np.random.Generator, p: float) -> int:
    """Draw what `rng.geometric(p)` draws: how many throws it takes until one succeeds with probability *p*."""
    if p < _GEOMETRIC_BY_SEARCH_FROM:
        log_of_failure = float(_DIGITS.subtract(1, Decimal(p)).ln(_DIGITS))
        return math.ceil(-standard_exponential(rng) / log_of_failure)
    u = rng.random()
    throws, mass, term = 1, p, p
    while u > mass:
        term *= 1.0 - p
        if mass + term == mass:  # all the mass there is in doubles
            break
        mass += term
        throws += 1
    return throws


def _exp_of_float(x: float) -> float:
    if not -746.0 <= x <= 710.0:
        return x if x != x else 0.0 if x < 0.0 else math.inf
    k = round(x * _LOG2_E)
    high, low = x - k * _LN2_HIGH, k * _LN2_LOW
    r = high - low
    t = r * r
    c = r - t * (_P1 + t * (_P2 + t * (_P3 + t * (_P4 + t * _P5))))
    y = 1.0 - ((low - r * c / (2.0 - c)) - high)
    half = k >> 1
    return y * math.ldexp(1.0, half) * math.ldexp(1.0, k - half)


def _exp_of_array(x: ArrayLike) -> Array:
    with np.errstate(all="ignore"):
        x = np.clip(np.asarray(x, dtype=np.float64), -746.0, 710.0)
        k = np.rint(x * _LOG2_E)
        high, low = x - k * _LN2_HIGH, k * _LN2_LOW
        r = high - low
        t = r * r
        c = r - t * (_P1 + t * (_P2 + t * (_P3 + t * (_P4 + t * _P5))))
        y = 1.0 - ((low - r * c / (2.0 - c)) - high)
        exponent = k.astype(np.int64)
        half = exponent >> 1
        return np.asarray(y * _power_of_two(half) * _power_of_two(exponent - half))


def _power_of_two(exponent: NDArray[np.int64]) -> Array:
    # Two factors, of which only the last one rounds, reach every double: subnormals and infinity too.
    return ((exponent + 1023) << 52).view(np.float64)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y *= x
        y += coefficient
    return y


def _log_of_float(x: float) -> float:
    if not 0.0 < x < math.inf:
        return x if x > 0.0 else -math.inf if x == 0.0 else math.nan
    m, k = math.frexp(x)
    if m < _SQRT_HALF:
        m, k = m + m, k - 1
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (_L2 + w * (_L4 + w * _L6))
    odd = z * (_L1 + w * (_L3 + w * (_L5 + w * _L7)))
    half = 0.5 * f * f
    return k * _LN2_HIGH - ((half - (s * (half + (even + odd)) + k * _LN2_LOW)) - f)


def _log_of_array(x: ArrayLike) -> Array:
    with np.errstate(all="ignore"):
        x = np.asarray(x, dtype=np.float64)
        m, exponent = np.frexp(x)
        is_low = m < _SQRT_HALF
        m = np.where(is_low, m + m, m)
        k = (exponent - is_low).astype(np.float64)
        f = m - 1.0
        s = f / (2.0 + f)
        z = s * s
        w = z * z
        even = w * (_L2 + w * (_L4 + w * _L6))
        odd = z * (_L1 + w * (_L3 + w * (_L5 + w * _L7)))
        half = 0.5 * f * f
        y = k * _LN2_HIGH - ((half - (s * (half + (even + odd)) + k * _LN2_LOW)) - f)
        beyond = np.where(x > 0.0, x, np.where(x == 0.0, -np.inf, np.nan))
        return np.where((x > 0.0) & (x < np.inf), y, beyond)
