"""States of random generators as plain numbers, and seeds that need none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_WORDS = 6
_WORD_BITS = 64
_WORD = 2**_WORD_BITS - 1


def generator_state(generator: np.random.Generator) -> Words:
    """Return the state of a generator of `numpy.random.default_rng` (PCG64): (6,)."""
    state: Any = generator.bit_generator.state
    numbers = [state["state"]["state"], state["state"]["inc"]]
    halves = [part for number in numbers for part in (number >> _WORD_BITS, number & _WORD)]
    return np.array([*halves, state["has_uint32"], state["uinteger"]], dtype=np.uint64)


def set_generator_state(generator: np.random.Generator, words: Words) -> None:
    """Undo `generator_state`; raises ValueError where the words are no such state."""
    if words.shape != (_WORDS,) or words.dtype != np.uint64 or words[4] > 1 or words[5] >= 2**32:
        raise ValueError("the words are no state of a generator")
    high, low, increment_high, increment_low, has_half, half = (int(word) for word in words)
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": high << _WORD_BITS | low, "inc": increment_high << _WORD_BITS | increment_low},
        "has_uint32": has_half,
        "uinteger": half,
    }


def dropout_seed(seed: int, steps: int) -> int:
    """Return what to seed dropout with before an epoch, after so many steps of a training: 32 mixed bits.

    So its state, which compiled code and torch each keep for themselves, needs no keeping.
    """
    return int(np.random.SeedSequence((seed, steps)).generate_state(1)[0])
