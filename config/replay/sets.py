"""Reading a recorded set: who answered what, and what was true."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketplace.quality.replay import Recorded

# A nominal speaking rate, for sets that come without their audio.
WORDS_PER_SECOND = 2.5


class SetUnreadable(ValueError):
    """The folder is no recorded set that this command knows."""


@dataclass(frozen=True)
class RecordedSet:
    """One recorded set: its kind in our words, the interface for it, the answers and the truth."""

    name: str
    kind: str
    spec: dict[str, Any]
    answers: list[Recorded]
    truth: dict[str, Any]

    @property
    def is_speech(self) -> bool:
        """Whether the answers are transcripts."""
        return self.kind == "transcript"


def load(folder: Path) -> RecordedSet:
    """Read ``meta.json`` and the answers and truth beside it. Raises SetUnreadable."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
    except OSError as error:
        raise SetUnreadable(
            f"{folder} has no meta.json: give a folder of a recorded set"
        ) from error
    kind = str(meta.get("kind", ""))
    if kind == "transcription":
        return _speech(folder, meta)
    if (folder / "answers.csv").exists():
        return _categorical(folder, meta)
    raise SetUnreadable(f"{folder}: sets of kind {kind!r} cannot be replayed")


def _speech(folder: Path, meta: dict[str, Any]) -> RecordedSet:
    answers = [
        Recorded(task=row["task"], worker=row["worker"], answer={"text": row["text"]})
        for row in _lines(folder / "answers.jsonl")
        if row["text"].strip()
    ]
    truth = {row["task"]: {"text": row["text"]} for row in _lines(folder / "truth.jsonl")}
    return RecordedSet(meta["name"], "transcript", {"profile": "default"}, answers, truth)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def _categorical(folder: Path, meta: dict[str, Any]) -> RecordedSet:
    with (folder / "answers.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    with (folder / "truth.csv").open(newline="") as handle:
        truth = {row["task"]: {"choice": row["label"]} for row in csv.DictReader(handle)}
    labels = sorted({row["label"] for row in rows} | {t["choice"] for t in truth.values()})
    return RecordedSet(
        meta["name"],
        "choices",
        {"options": [{"value": label, "label": label} for label in labels]},
        [Recorded(row["task"], row["worker"], {"choice": row["label"]}) for row in rows],
        truth,
    )


def nominal_seconds(recorded: RecordedSet, task: str) -> float:
    """How long the clip of a task would be, from the length of its answers (the truth is hidden).

    The median of the answers' word counts at a usual speaking rate, at least one second.
    """
    counts = sorted(len(r.answer["text"].split()) for r in recorded.answers if r.task == task)
    words = counts[len(counts) // 2] if counts else 0
    return max(1.0, round(words / WORDS_PER_SECOND, 1))
