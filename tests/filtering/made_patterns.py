"""Random patterns across the syntax of `regex`, those that the engine understands and others."""

from __future__ import annotations

from typing import Final

import regex  # type: ignore[import-untyped]
from hypothesis import strategies as st

_ATOMS: Final = st.sampled_from(
    [
        *"aAbBkKsSiI01_ :-яЯвВёЁıſéш",
        *[
            ".",
            ".",
            "\\d",
            "\\D",
            "\\w",
            "\\W",
            "\\s",
            "\\S",
            "\\.",
            "\\-",
            "\\r\\n",
            "\\n",
            "\\x41",
            "\\u0432",
        ],
        *["\\t", "\\a", "\\v", "\\U0001F600", "\u212a", "\u0130", "\ufffd", "😀", "\\{", "\\ ", "\\_", "\\é"],
        *["Event: ", "Dial", "Hangup", "200", "Exten", "\\\\", "\x00", "\\0", "\\x00", "\u2028"],
    ]
)
_PLACES: Final = st.sampled_from(["^", "$", "\\A", "\\Z", "\\b", "\\B", "\\m", "\\M", "\\K", "\\G", "\\z"])
_SETS: Final = st.one_of(
    st.sampled_from(
        [
            *["[a-b]", "[^a-b]", "[a-zA-Z0-9]", "[^\\r\\n]", "[а-яёА-ЯЁ]", "[^а-я]", "[]a]", "[^]a]", "[a-]"],
            *["[-a]", "[\\w-]", "[^\\W\\d_]", "[\\d.]", "[^\\s]", "[a^]", "[\\]]", "[\\b]", "[&|]", "[a&&b]"],
            *["[a||b]", "[[:alpha:]]", "[[a]", "[\\x41-\\x43]", "[k-s]", "[I]", "[^i]", "[\\D1]", "[+--]"],
            *["[\\p{L}a]", "[ -~]", "[^\\x00-\\x7f]", "[\\u0400-\\u04ff]", "[^\u212a]", "[.*+?]"],
        ]
    ),
    st.lists(
        st.sampled_from([*"abkKsiI01яв-^", "\\d", "\\w", "\\s", "\\S", "a-c", "й-л", "\\n"]),
        min_size=1,
        max_size=4,
    )
    .map("".join)
    .map(lambda members: f"[{members}]"),
)
_ODD: Final = st.sampled_from(
    [
        *[
            "\\p{L}",
            "\\P{Lu}",
            "\\pL",
            "\\X",
            "\\R",
            "\\h",
            "\\N{DIGIT ONE}",
            "(?R)?",
            "(?1)",
            "\\1",
            "\\g<1>",
            "(?P=n)",
        ],
        *[
            "(?:ab){e<=1}",
            "(?:Dial){i<=1,d<=1}",
            "a{e}",
            "b{s<=1}",
            "(?(1)a|b)",
            "(*FAIL)",
            "(?e)",
            "(?b)",
            "(?r)",
        ],
        *[
            "(?x) a b",
            "(?i)",
            "(?s)",
            "(?m)",
            "(?a)",
            "(?u)",
            "(?w)",
            "(?f)",
            "(?V1)",
            "(?|a|b)",
            "{",
            "}",
            "a{",
            "{1}",
        ],
        *["x{1, 3}", "a{,}", "(?#a|b)", "(?>a|ab)", "(?'n'a)", "(?-s:.)", "(?V1)[a--b]", "(?V1)[[a-z]&&[k]]"],
    ]
)
_COUNTS: Final = st.sampled_from(
    [
        "*",
        "+",
        "?",
        "*?",
        "+?",
        "??",
        "*+",
        "++",
        "?+",
        "{2}",
        "{,2}",
        "{1,}",
        "{1,3}?",
        "{2,}+",
        "{0}",
        "{40}",
        "{0,40}",
    ]
)
_OPENINGS: Final = st.sampled_from(
    [
        *[
            "(",
            "(",
            "(?:",
            "(?:",
            "(?i:",
            "(?-i:",
            "(?s-i:",
            "(?-s:",
            "(?m:",
            "(?>",
            "(?=",
            "(?!",
            "(?<=",
            "(?<!",
        ],
        *["(?P<n>", "(?|"],
    ]
)
_STARTS: Final = st.sampled_from(
    ["", "", "", "", "", "(?i)", "(?i)", "(?m)", "(?im)", "(?s)", "^", "^", "(?V1)", "(?x)"]
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join).map(lambda options: f"(?:{options})"),
        st.tuples(_OPENINGS, inner).map(lambda parts: f"{parts[0]}{parts[1]})"),
        st.tuples(inner, _COUNTS).map(lambda parts: f"{_grouped(parts[0])}{parts[1]}"),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}|{parts[1]}"),
    )


def _grouped(pattern: str) -> str:
    return pattern if len(pattern) == 1 else f"(?:{pattern})"


def _joined(parts: tuple[str, str, str]) -> str:
    return "".join(parts)


_BODIES: Final = st.recursive(st.one_of(_ATOMS, _ATOMS, _ATOMS, _SETS, _PLACES), _grow, max_leaves=8)
_ODD_BODIES: Final = st.recursive(st.one_of(_ATOMS, _SETS, _PLACES, _ODD, _ODD), _grow, max_leaves=8)
_ENDS: Final = st.sampled_from(["", "", "", "$", "\\Z", ".*"])

made_patterns: Final = st.one_of(
    st.tuples(_STARTS, _BODIES, _ENDS).map(_joined),
    st.tuples(_STARTS, _ODD_BODIES, _ENDS).map(_joined),
    st.sampled_from(
        [
            "Dial.{1,}?200|Bridge.{1,}?200|Hangup.{1,}?200",
            "^Event: (Dial|Hangup)\\r\\n",
            "(?i)ёлкина",
            "^(a|a)*$",
            "(?m)^Exten: \\d+\\r$",
        ]
    ),
)


def is_valid(pattern: str) -> bool:
    """Whether `regex` takes it; not to be asked in a strategy, for `regex` forgets patterns at random."""
    try:
        regex.compile(pattern, regex.DOTALL)
    except (regex.error, RecursionError):
        return False
    return bool(pattern)
