"""Reading a recorded set: who answered what, and what was true."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from marketplace.labeling import registry
from marketplace.labeling.base import AnswerError, Kind
from marketplace.quality import replay
from marketplace.quality.replay import Recorded

# A nominal speaking rate, for sets that come without their audio.
WORDS_PER_SECOND = 2.5


class SetUnreadable(ValueError):
    """The folder is no recorded set that this command knows."""


@dataclass(frozen=True)
class RecordedSet:
    """One recorded set in our words: kind, interface, answers and truth, all canonical.

    Tasks of which the truth is not known, and answers that the interface refuses, are left out.
    """

    name: str
    kind: str
    spec: dict[str, Any]
    answers: list[Recorded]
    truth: dict[str, dict[str, Any]]

    @property
    def is_speech(self) -> bool:
        """Whether the answers are transcripts."""
        return self.kind == "transcript"

    @property
    def rules(self) -> Kind:
        """The kind's own code."""
        return registry.get(self.kind)

    @property
    def tasks(self) -> list[str]:
        """The tasks that somebody answered, in order of name."""
        return sorted({one.task for one in self.answers})

    def only(self, most: int | None, *, seed: int) -> RecordedSet:
        """The same set with at most that many tasks, chosen by the seed."""
        if most is None or most >= len(self.tasks):
            return self
        share = most / len(self.tasks)
        kept = replay.choose_gold(self.tasks, share=share, seed=seed + 1_000_003)
        return replace(
            self,
            answers=[one for one in self.answers if one.task in kept],
            truth={task: true for task, true in self.truth.items() if task in kept},
        )

    def nominal_seconds(self) -> dict[str, float]:
        """How long each task's clip would be, from its answers alone (the truth is hidden).

        The median of the answers' word counts at a usual speaking rate, at least one second.
        """
        counts: dict[str, list[int]] = defaultdict(list)
        for one in self.answers:
            counts[one.task].append(len(one.answer["text"].split()))
        return {
            task: max(1.0, round(sorted(found)[len(found) // 2] / WORDS_PER_SECOND, 1))
            for task, found in counts.items()
        }


def load(folder: Path) -> RecordedSet:
    """Read ``meta.json`` and the answers and truth beside it. Raises SetUnreadable."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
    except OSError as error:
        raise SetUnreadable(
            f"{folder} has no meta.json: give a folder of a recorded set"
        ) from error
    kind = str(meta.get("kind", ""))
    name = str(meta.get("name") or folder.name)
    if (folder / "answers.csv").exists():
        return _categorical(folder, name)
    if kind == "transcription" or kind.startswith("text sequence"):
        return _speech(folder, name)
    raise SetUnreadable(f"{folder}: sets of kind {kind!r} cannot be replayed")


def _speech(folder: Path, name: str) -> RecordedSet:
    return _canonical(
        name,
        "transcript",
        {"profile": "default"},
        [
            Recorded(row["task"], row["worker"], {"text": row["text"]})
            for row in _lines(folder / "answers.jsonl")
        ],
        {row["task"]: {"text": row["text"]} for row in _lines(folder / "truth.jsonl")},
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def _categorical(folder: Path, name: str) -> RecordedSet:
    with (folder / "answers.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    with (folder / "truth.csv").open(newline="") as handle:
        truth = {row["task"]: row["label"] for row in csv.DictReader(handle)}
    labels = sorted({row["label"] for row in rows} | set(truth.values()))
    return _canonical(
        name,
        "choices",
        {"options": [{"value": label, "label": label} for label in labels]},
        [Recorded(row["task"], row["worker"], {"choice": row["label"]}) for row in rows],
        {task: {"choice": label} for task, label in truth.items()},
    )


def _canonical(
    name: str,
    kind: str,
    given: dict[str, Any],
    answers: Iterable[Recorded],
    truth: Mapping[str, dict[str, Any]],
) -> RecordedSet:
    rules = registry.get(kind)
    spec = rules.check(given)
    known = {task: rules.validate(spec, true) for task, true in truth.items()}
    said: dict[tuple[str, str], Recorded] = {}
    for one in answers:
        if one.task not in known:
            continue
        try:
            answer = rules.validate(spec, one.answer)
        except AnswerError:
            continue
        said.setdefault((one.task, one.worker), Recorded(one.task, one.worker, answer))
    return RecordedSet(name, kind, spec, list(said.values()), known)
