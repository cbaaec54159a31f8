"""Names of months in several languages."""

from __future__ import annotations

from collections.abc import Iterable

# By language: full names and the usual abbreviations, January first, spelled as usual in the language.
_NAMES = {
    "en": (
        "January February March April May June July August September October November December",
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    ),
    "de": (
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    ),
    "fr": (
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv févr mars avr mai juin juil août sept oct nov déc",
    ),
    "es": (
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene feb mar abr may jun jul ago sep oct nov dic",
    ),
    "it": (
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "gen feb mar apr mag giu lug ago set ott nov dic",
    ),
    "pt": (
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "jan fev mar abr mai jun jul ago set out nov dez",
    ),
    "nl": (
        "januari februari maart april mei juni juli augustus september oktober november december",
        "jan feb mrt apr mei jun jul aug sep okt nov dec",
    ),
}
# Further spellings that are read but not written.
_ALSO = {
    "en": {"sept": 9, "june": 6, "july": 7},
    "de": {"jänner": 1, "feber": 2, "maerz": 3, "mrz": 3, "juni": 6, "juli": 7, "sept": 9},
    "fr": {"fevrier": 2, "fev": 2, "fév": 2, "fevr": 2, "aout": 8, "decembre": 12, "dec": 12},
    "es": {"setiembre": 9, "sept": 9},
    "it": {"sett": 9},
    "pt": {"marco": 3},
    "nl": {"mar": 3},
}

ENGLISH = "en"
LANGUAGES = tuple(_NAMES)

_FULL = {language: tuple(full.split()) for language, (full, _) in _NAMES.items()}
_SHORT = {language: tuple(short.split()) for language, (_, short) in _NAMES.items()}


_MONTHS = {
    language: {name.lower(): place % 12 + 1 for place, name in enumerate((*_SHORT[language], *_FULL[language]))}
    | _ALSO[language]
    for language in LANGUAGES
}

ALL_NAMES = tuple(sorted({name for months in _MONTHS.values() for name in months}, key=lambda name: (-len(name), name)))
"""Every spelling that is read, in lower case, longest first."""


def language_of(names: Iterable[str]) -> str | None:
    """Return the first language that has all the names, or None."""
    lowered = {name.lower() for name in names}
    return next((language for language, months in _MONTHS.items() if lowered <= months.keys()), None)


def month_of(name: str, language: str) -> int:
    """Return the number of a month, 1 to 12. Raises KeyError for a name that the language does not have."""
    return _MONTHS[language][name.lower()]


def are_full(names: Iterable[str], language: str) -> bool:
    """Return whether all the names are full names rather than abbreviations."""
    return {name.lower() for name in names} <= {name.lower() for name in _FULL[language]}


def month_name(month: int, language: str, full: bool) -> str:
    """Return the full name of a month, 1 to 12, or its usual abbreviation."""
    return (_FULL if full else _SHORT)[language][month - 1]
