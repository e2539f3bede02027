import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.keys import KEY_LENGTH, array_key, canonical, content_key, rng_of, seed_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_the_order_of_keys_does_not_matter(content: dict) -> None:
    assert content_key(content) == content_key(dict(reversed(content.items())))


@given(JSON, JSON)
def test_different_content_has_different_keys(one: object, other: object) -> None:
    assert (content_key(one) == content_key(other)) == (canonical(one) == canonical(other))


def test_a_key_is_the_same_for_ever() -> None:
    # from `printf JSON | sha256sum`
    assert content_key({"b": [1, 0.5], "a": None}) == "fc2ad738648c4fb64405"
    assert seed_of("labels", "utd-mhad", 0) == 6683768649700771522
    assert len(content_key(1)) == KEY_LENGTH


def test_nan_has_no_key() -> None:
    with pytest.raises(ValueError, match="JSON"):
        content_key(float("nan"))


@given(st.lists(st.integers(-100, 100), max_size=20))
def test_an_array_key_sees_values_types_and_shapes(values: list[int]) -> None:
    array = np.array(values, dtype=np.int64)
    assert array_key(array) == array_key(array.copy())
    assert array_key(array) != array_key(array.astype(np.int32))
    assert array_key(array) != array_key(array[None])
    assert array_key(array) != array_key(np.append(array, 0))


def test_an_array_key_does_not_see_the_memory_layout() -> None:
    array = np.arange(12.0).reshape(3, 4)
    assert array_key(np.asfortranarray(array)) == array_key(array)


def test_draws_with_other_names_are_other_draws() -> None:
    assert rng_of("labels", 0).integers(1 << 40) == rng_of("labels", 0).integers(1 << 40)
    assert rng_of("labels", 0).integers(1 << 40) != rng_of("labels", 1).integers(1 << 40)
    assert rng_of("labels", 0).integers(1 << 40) != rng_of("order", 0).integers(1 << 40)
