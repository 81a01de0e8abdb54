"""The stopping rule on recorded crowds: made-up ones always, real ones where they are at hand."""

import csv
import json
import os
import random
from pathlib import Path
from statistics import mean

import pytest

from marketplace.labeling import registry
from marketplace.labeling.base import AnswerError
from marketplace.quality import replay
from marketplace.quality.replay import Recorded
from marketplace.quality.settings import QualitySettings

CHOICES = registry.get("choices")
SPEECH = registry.get("transcript")
USUAL = QualitySettings()
SEEDS = (1, 2, 3, 4)

DATA = Path(
    os.environ.get("PIECEWORK_SHARED_DATA") or Path(__file__).parents[3].parent / "shared" / "data"
)
recorded_sets = pytest.mark.skipif(
    not DATA.is_dir(),
    reason=f"recorded crowds are not at {DATA}; PIECEWORK_SHARED_DATA names another folder",
)


def crowd(accuracies, tasks=300, votes=8, seed=3):
    """Answers of people who are right so often, to yes-or-no tasks."""
    chance = random.Random(seed)
    spec = CHOICES.check({"options": ["yes", "no"]})
    truth = {f"t{n}": {"choice": chance.choice(["yes", "no"])} for n in range(tasks)}
    answers = []
    for task, true in truth.items():
        for worker in chance.sample(range(len(accuracies)), votes):
            is_right = chance.random() < accuracies[worker]
            other = "no" if true["choice"] == "yes" else "yes"
            said = true["choice"] if is_right else other
            answers.append(Recorded(task, f"w{worker}", {"choice": said}))
    return spec, answers, truth


def play(spec, answers, truth, *, kind=CHOICES, share=0.05, seed=1, settings=USUAL):
    gold = replay.choose_gold(truth, share=share, seed=seed)
    order = replay.arrange(answers, seed=seed)
    return replay.replay(
        order, truth, kind=kind, spec=spec, settings=settings, gold=gold, seed=seed
    )


def test_the_same_seed_plays_the_same():
    spec, answers, truth = crowd([0.8] * 12)
    assert play(spec, answers, truth) == play(spec, list(reversed(answers)), truth)
    assert play(spec, answers, truth) != play(spec, answers, truth, seed=2)


def test_gold_is_a_share_of_the_tasks():
    names = [f"t{n}" for n in range(200)]
    gold = replay.choose_gold(names, share=0.05, seed=1)
    assert len(gold) == 10
    assert gold == replay.choose_gold(list(reversed(names)), share=0.05, seed=1)
    assert gold != replay.choose_gold(names, share=0.05, seed=2)


def test_labels_are_counted_as_they_are_used():
    spec, answers, truth = crowd([0.95] * 12)
    found = play(spec, answers, truth)
    assert found.tasks + found.gold_tasks == len(truth)
    assert 2 <= found.labels_per_task <= 3
    assert found.gold_labels == found.gold_tasks * 8
    assert set(found.values) == {task for task in truth if task in found.values}
    assert found.accuracy > 0.95


def test_checks_beat_counting_where_many_guess():
    spec, answers, truth = crowd([0.9] * 8 + [0.5] * 8, tasks=600)
    counted = play(spec, answers, truth, share=0)
    checked = play(spec, answers, truth, share=0.1)
    assert checked.accuracy >= counted.accuracy + 0.05
    assert {f"w{n}" for n in range(8)}.isdisjoint(checked.suspended)


def test_a_suspended_person_gives_nothing_more():
    spec, answers, truth = crowd([0.9] * 9 + [0.1], tasks=400)
    found = play(spec, answers, truth, share=0.2)
    assert found.suspended == ["w9"]
    theirs = sum(one.worker == "w9" for one in answers)
    assert found.gold_labels < found.gold_tasks * 8
    assert theirs > 100


def test_a_task_that_runs_out_counts_with_its_best():
    spec = CHOICES.check({"options": ["yes", "no"]})
    answers = [Recorded("t", "a", {"choice": "yes"})]
    found = play(spec, answers, {"t": {"choice": "yes"}}, share=0)
    assert (found.accuracy, found.unfinished, found.work_labels) == (1.0, 1, 1)


def load(name):
    """Kind, spec, answers and truth of a recorded set."""
    folder = DATA / name
    if (folder / "answers.csv").exists():
        with (folder / "truth.csv").open(newline="") as handle:
            truth = {row["task"]: {"choice": row["label"]} for row in csv.DictReader(handle)}
        with (folder / "answers.csv").open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        labels = {row["label"] for row in rows} | {one["choice"] for one in truth.values()}
        answers = [
            Recorded(row["task"], row["worker"], {"choice": row["label"]})
            for row in rows
            if row["task"] in truth
        ]
        return CHOICES, CHOICES.check({"options": sorted(labels)}), answers, truth
    spec = SPEECH.check({})
    truth = {row["task"]: {"text": row["text"]} for row in _lines(folder / "truth.jsonl")}
    answers = []
    for row in _lines(folder / "answers.jsonl"):
        try:
            answer = SPEECH.validate(spec, {"text": row["text"]})
        except AnswerError:
            continue
        answers.append(Recorded(row["task"], row["worker"], answer))
    return SPEECH, spec, answers, truth


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def measure(name, *, share=0.05, seeds=SEEDS, spam=0.0, **settings):
    kind, spec, answers, truth = load(name)
    if spam:
        answers = spammed(answers, spam)
    chosen = QualitySettings.from_dict(settings, usual=kind.quality)
    found = [
        play(spec, answers, truth, kind=kind, share=share, seed=seed, settings=chosen)
        for seed in seeds
    ]
    figures = {
        "accuracy": mean(one.accuracy for one in found),
        "error rate": mean(one.error_rate for one in found),
        "work labels": mean(one.labels_per_task for one in found),
        "gold labels": mean(one.gold_per_task for one in found),
        "escalated": mean(one.escalated_share for one in found),
        "suspended": mean(len(one.suspended) for one in found),
        "overstated": mean((one.stated or 0) - (one.stated_accuracy or 0) for one in found),
    }
    print(name, settings, *(f"{key} {value:.4f}" for key, value in figures.items()), sep="  ")  # noqa: T201
    return figures


def spammed(answers, share):
    """A share of the people gives one and the same answer whatever the task."""
    chance = random.Random(9)
    people = sorted({one.worker for one in answers})
    clickers = set(chance.sample(people, round(len(people) * share)))
    constant = {worker: chance.choice(answers).answer for worker in sorted(clickers)}
    return [Recorded(one.task, one.worker, constant.get(one.worker, one.answer)) for one in answers]


@recorded_sets
@pytest.mark.parametrize(
    ("name", "accuracy", "labels", "overstated"),
    [
        ("rte", 0.86, 3.3, 0.05),
        ("dog", 0.77, 2.95, 0.10),  # four breeds that all people mix up alike
        ("zencrowd_us", 0.865, 2.75, 0.05),
        ("music_genre", 0.785, 2.65, 0.05),
    ],
)
def test_recorded_crowds(name, accuracy, labels, overstated):
    found = measure(name)
    assert found["overstated"] <= overstated
    assert found["accuracy"] >= accuracy
    assert found["work labels"] <= labels


@recorded_sets
def test_counting_alone():
    found = measure("rte", share=0)
    assert found["accuracy"] >= 0.82
    assert found["work labels"] <= 3.0


@recorded_sets
def test_constant_clickers():
    """With three in ten who never look, a majority of five is right in .74 of rte's tasks."""
    assert measure("rte", spam=0.3)["accuracy"] >= 0.82


@recorded_sets
@pytest.mark.slow
def test_recorded_speech():
    found = measure("crowdspeech_dev_clean", seeds=(1, 2))
    assert found["error rate"] <= 0.066
    assert found["work labels"] <= 4.8
    assert found["suspended"] <= 1
