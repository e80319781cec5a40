import json

import numpy as np
import pytest

from hstore.engine.search.seeds import SEED_BELOW, Seeds, as_generator, from_data, is_same, to_data


def test_a_generator_is_the_recorded_one_as_it_was_or_as_it_is_now() -> None:
    generator = np.random.default_rng(3)
    recorded = to_data(generator)
    assert is_same(recorded, to_data(np.random.default_rng(3)), after=7)
    generator.integers(SEED_BELOW, size=7)
    assert is_same(recorded, to_data(generator), after=7)
    assert not is_same(recorded, to_data(generator), after=8)


@pytest.mark.parametrize(
    "bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM]
)
def test_a_generator_survives_its_data(bits: type[np.random.BitGenerator]) -> None:
    generator = np.random.Generator(bits(5))
    generator.integers(10)  # leaves half a draw in the buffer
    twin = from_data(json.loads(json.dumps(to_data(generator))))
    assert np.array_equal(twin.integers(SEED_BELOW, size=50), generator.integers(SEED_BELOW, size=50))


def test_seeds_are_the_draws_that_hyperopt_makes_one_by_one() -> None:
    one_by_one = np.random.default_rng(9)
    seeds = Seeds(to_data(np.random.default_rng(9)))
    expected = [int(one_by_one.integers(SEED_BELOW)) for _ in range(500)]
    assert [seeds[k] for k in (3, 0, 499)] == [expected[k] for k in (3, 0, 499)]
    assert [seeds[k] for k in range(500)] == expected


def test_hyperopts_environment_variable_seeds_what_nobody_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPEROPT_FMIN_SEED", "123")
    assert as_generator(None).integers(1000) == np.random.default_rng(123).integers(1000)
