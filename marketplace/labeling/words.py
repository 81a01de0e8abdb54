"""Words of a transcript: normalised, compared, voted on.

Everything here is about lists of words; what a word is depends on the profile.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

_APOSTROPHES = "’‘ʼ‛`´＇"


@dataclass(frozen=True)
class Profile:
    """A named way to compare transcripts: what of the text counts, and in which pieces."""

    name: str
    says: str
    normalise: Callable[[str], str]
    #: Single characters instead of words: for scripts that put no spaces between words.
    by_character: bool = False


def spoken(text: str) -> str:
    """Lower case, every apostrophe the plain one, other punctuation dropped, single spaces.

    Numbers stay as the guideline of the job has them written.
    """
    lowered = unicodedata.normalize("NFKC", text).lower()
    kept = []
    for character in lowered:
        if character in _APOSTROPHES or character == "'":
            kept.append("'")
        elif unicodedata.category(character)[0] not in "PSC" or character.isspace():
            kept.append(character)
    return " ".join("".join(kept).split())


def as_written(text: str) -> str:
    """Case and punctuation count; only spaces do not."""
    return " ".join(unicodedata.normalize("NFC", text).split())


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("default", "words, without case and punctuation", spoken),
        Profile("verbatim", "words, with case and punctuation", as_written),
        Profile("characters", "characters, without case and punctuation", spoken, True),
    )
}


@lru_cache(maxsize=16384)
def pieces(profile: str, text: str) -> tuple[str, ...]:
    """The words (or characters) of a text that count under a profile."""
    chosen = PROFILES[profile]
    normal = chosen.normalise(text)
    return tuple(normal.replace(" ", "")) if chosen.by_character else tuple(normal.split())


def errors(said: Sequence[str], known: Sequence[str]) -> int:
    """How many words must be put in, left out or replaced to get from one to the other."""
    return Levenshtein.distance(said, known)


_Tally = dict[str, float]


def _tally() -> _Tally:
    return defaultdict(float)


def vote(
    backbone: Sequence[str], others: Sequence[Sequence[str]], weights: Sequence[float]
) -> list[str]:
    """Word voting: every sequence is aligned to the backbone, and each place takes its majority.

    ``weights`` are those of the backbone and of the others, in this order. A place may elect no
    word at all. Of equals the backbone's word stays.
    """
    places = [_tally() for _ in backbone]
    for place, word in zip(places, backbone, strict=True):
        place[word] += weights[0]
    gaps: list[list[_Tally]] = [[] for _ in range(len(backbone) + 1)]
    for other, weight in zip(others, weights[1:], strict=True):
        for op in Levenshtein.opcodes(backbone, other):
            width = op.src_end - op.src_start
            if op.tag == "insert":
                _fill(gaps[op.src_start], other[op.dest_start : op.dest_end], weight)
                continue
            for offset in range(width):
                word = other[op.dest_start + offset] if op.tag != "delete" else ""
                places[op.src_start + offset][word] += weight
    total = sum(weights)
    found: list[str] = []
    for index, gap in enumerate(gaps):
        found.extend(_elected(gap, total))
        if index < len(places):
            word = max(places[index], key=places[index].__getitem__)
            found.extend([word] if word else [])
    return found


def _fill(gap: list[_Tally], words: Sequence[str], weight: float) -> None:
    """Words that one sequence has between two places of the backbone, counted one by one."""
    while len(gap) < len(words):
        gap.append(_tally())
    for tally, word in zip(gap, words, strict=False):
        tally[word] += weight


def _elected(gap: Sequence[_Tally], total: float) -> list[str]:
    """Words put in between: only those that more than half of all have there."""
    found = []
    for tally in gap:
        word, weight = max(tally.items(), key=lambda item: item[1])
        if weight > total / 2:
            found.append(word)
    return found
