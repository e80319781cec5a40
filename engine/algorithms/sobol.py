"""Scrambled Sobol points, made of integers alone: the same on every machine, and each from its index alone.

Sobol (1967), with the direction numbers that Joe and Kuo (2008, new-joe-kuo-6) chose for good projections on pairs,
scrambled as Owen (1995) has it, by a hash (Laine and Karras 2011; Burley, Practical Hash-based Owen Scrambling,
2020). Dimensions beyond the table are its first ones again, with the order of the points shuffled by the same
scrambling, so that each batch of them is a Sobol sequence of its own (Burley, section 4).
"""

from functools import cache

_BITS = 32
_MASK = 2**_BITS - 1

# (primitive polynomial as bits, initial direction numbers) of the dimensions from the second on.
_TABLE = (
    (3, (1,)),
    (7, (1, 3)),
    (11, (1, 3, 1)),
    (13, (1, 1, 1)),
    (19, (1, 1, 3, 3)),
    (25, (1, 3, 5, 13)),
    (37, (1, 1, 5, 5, 17)),
    (41, (1, 1, 5, 5, 5)),
    (47, (1, 1, 7, 11, 19)),
    (55, (1, 1, 5, 1, 1)),
    (59, (1, 1, 1, 3, 11)),
    (61, (1, 3, 5, 5, 31)),
    (67, (1, 3, 3, 9, 7, 49)),
    (91, (1, 1, 1, 15, 21, 21)),
    (97, (1, 3, 1, 13, 27, 49)),
    (103, (1, 1, 1, 15, 7, 5)),
    (109, (1, 3, 1, 15, 13, 25)),
    (115, (1, 1, 5, 5, 19, 61)),
    (131, (1, 3, 7, 11, 23, 15, 103)),
    (137, (1, 3, 7, 13, 13, 15, 69)),
    (143, (1, 1, 3, 13, 7, 35, 63)),
    (145, (1, 3, 5, 9, 1, 25, 53)),
    (157, (1, 3, 1, 13, 9, 35, 107)),
    (167, (1, 3, 1, 5, 27, 61, 31)),
    (171, (1, 1, 5, 11, 19, 41, 61)),
    (185, (1, 3, 5, 3, 3, 13, 69)),
    (191, (1, 1, 7, 13, 1, 19, 1)),
    (193, (1, 3, 7, 5, 13, 19, 59)),
    (203, (1, 1, 3, 9, 25, 29, 41)),
    (211, (1, 3, 5, 13, 23, 1, 55)),
    (213, (1, 3, 7, 3, 13, 59, 17)),
    (229, (1, 3, 1, 3, 5, 53, 69)),
    (239, (1, 1, 5, 5, 23, 33, 13)),
    (241, (1, 1, 7, 7, 1, 61, 123)),
    (247, (1, 1, 7, 9, 13, 61, 49)),
    (253, (1, 3, 3, 5, 3, 55, 33)),
    (285, (1, 3, 1, 15, 31, 13, 49, 245)),
    (299, (1, 3, 5, 15, 31, 59, 63, 97)),
    (301, (1, 3, 1, 11, 11, 11, 77, 249)),
)
_N_TABLED = len(_TABLE) + 1


def point(key: int, index: int, n: int) -> list[float]:
    """Return point number *index* (from 0) of the sequence in *n* dimensions that *key* scrambles: each in (0, 1)."""
    coordinates = []
    shuffled = index
    for dimension in range(n):
        batch, place = divmod(dimension, _N_TABLED)
        if place == 0 and batch > 0:
            shuffled = _scrambled(index, mix(key, -batch))
        x = 0
        for bit, direction in enumerate(_directions(place)):
            if shuffled >> bit & 1:
                x ^= direction
        coordinates.append((_scrambled(x, mix(key, dimension)) + 0.5) / 2.0**_BITS)
    return coordinates


def mix(key: int, part: int) -> int:
    """Return 64 bits that depend on each bit of *key* and *part* (the finaliser of SplitMix64, Steele et al. 2014)."""
    z = (key * 0x9E3779B97F4A7C15 + part + 0x632BE59BD9B4E019) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


@cache
def _directions(dimension: int) -> tuple[int, ...]:
    """Return what each bit of an index contributes, the lowest bit first."""
    if dimension == 0:
        return tuple(1 << _BITS - 1 - bit for bit in range(_BITS))
    polynomial, initial = _TABLE[dimension - 1]
    degree = polynomial.bit_length() - 1
    numbers = list(initial)
    for k in range(degree, _BITS):
        number = numbers[k - degree] ^ numbers[k - degree] << degree
        for i in range(1, degree):
            if polynomial >> degree - i & 1:
                number ^= numbers[k - i] << i
        numbers.append(number)
    return tuple(number << _BITS - 1 - k for k, number in enumerate(numbers))


def _scrambled(x: int, seed: int) -> int:
    """Return *x* with each bit flipped or not as the bits above it and *seed* have it."""
    x = (_reversed(x) + seed) & _MASK
    for factor in (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6):
        x ^= x * factor & _MASK
    return _reversed(x)


def _reversed(x: int) -> int:
    x = x >> 1 & 0x55555555 | (x & 0x55555555) << 1
    x = x >> 2 & 0x33333333 | (x & 0x33333333) << 2
    x = x >> 4 & 0x0F0F0F0F | (x & 0x0F0F0F0F) << 4
    x = x >> 8 & 0x00FF00FF | (x & 0x00FF00FF) << 8
    return x >> 16 | (x & 0xFFFF) << 16
