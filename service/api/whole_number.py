"""Whole numbers in a query or a header: digits, as the API's document says, and not all that Python reads as one."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_DIGITS = re.compile(r"-?[0-9]+")


def _digits(sent: object) -> object:
    if isinstance(sent, str) and not _DIGITS.fullmatch(sent):
        raise ValueError("must be a whole number, in digits")
    return sent


WholeNumber = Annotated[int, BeforeValidator(_digits)]
