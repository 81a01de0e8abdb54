import json

import pytest

from config.replay import report, sets


@pytest.fixture
def folder(tmp_path):
    def write(meta, **files):
        (tmp_path / "meta.json").write_text(json.dumps(meta))
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text)
        return tmp_path

    return write


def test_labels_are_read_and_tasks_without_a_truth_left_out(folder):
    found = sets.load(
        folder(
            {"kind": "binary", "name": "little"},
            answers__csv="task,worker,label\nt1,w1,yes\nt1,w2,no\nt1,w1,no\nt2,w1,yes\nt3,w1,no\n",
            truth__csv="task,label\nt1,yes\nt3,maybe\n",
        )
    )
    assert (found.name, found.kind, found.is_speech) == ("little", "choices", False)
    assert [option["value"] for option in found.spec["options"]] == ["maybe", "no", "yes"]
    assert found.tasks == ["t1", "t3"]
    # One answer of a worker to a task: the first one.
    assert [(one.task, one.worker, one.answer["choice"]) for one in found.answers] == [
        ("t1", "w1", "yes"), ("t1", "w2", "no"), ("t3", "w1", "no"),
    ]  # fmt: skip


def test_transcripts_are_read_and_empty_ones_left_out(folder):
    lines = [
        {"task": "t1", "worker": "w1", "text": " Hello there world "},
        {"task": "t1", "worker": "w2", "text": "..."},
        {"task": "t1", "worker": "w3", "text": "hello where"},
    ]
    found = sets.load(
        folder(
            {"kind": "transcription", "name": "speech"},
            answers__jsonl="\n".join(map(json.dumps, lines)),
            truth__jsonl='{"task": "t1", "text": "hello there world"}',
        )
    )
    assert [one.answer["text"] for one in found.answers] == ["Hello there world", "hello where"]
    assert found.nominal_seconds() == {"t1": 1.2}


@pytest.mark.parametrize("meta", [{"kind": "sequence (spans)", "name": "x"}, {}])
def test_other_sets_are_refused_by_name(folder, meta):
    with pytest.raises(sets.SetUnreadable, match="cannot be replayed"):
        sets.load(folder(meta))


def test_a_folder_that_is_no_set_is_refused(tmp_path):
    with pytest.raises(sets.SetUnreadable, match=r"no meta\.json"):
        sets.load(tmp_path)


def labels(folder, count):
    rows = [f"t{n},w{k},a" for n in range(count) for k in range(3)]
    return sets.load(
        folder(
            {"kind": "multiclass", "name": "many"},
            answers__csv="task,worker,label\n" + "\n".join(rows),
            truth__csv="task,label\n" + "\n".join(f"t{n},{'ab'[n % 2]}" for n in range(count)),
        )
    )


def test_fewer_tasks_are_chosen_by_the_seed(folder):
    found = labels(folder, 40)
    some = found.only(10, seed=1)
    assert len(some.tasks) == 10 == len(some.truth)
    assert len(some.answers) == 30
    assert some.tasks == found.only(10, seed=1).tasks != found.only(10, seed=2).tasks
    assert found.only(None, seed=1) is found is found.only(99, seed=1)


def test_values_are_graded_against_the_truth_and_missing_ones_are_wrong(folder):
    found = labels(folder, 4)
    values = {"t0": {"choice": "a"}, "t1": {"choice": "a"}, "t3": {"choice": "b"}}
    assert report.grade(found, found.tasks, values) == {"accuracy": 0.5}


def test_transcripts_are_graded_by_words_over_all(folder):
    truth = [{"task": "t1", "text": "one two three four"}, {"task": "t2", "text": "five six"}]
    found = sets.load(
        folder(
            {"kind": "transcription", "name": "speech"},
            answers__jsonl="\n".join(json.dumps({**row, "worker": "w"}) for row in truth),
            truth__jsonl="\n".join(map(json.dumps, truth)),
        )
    )
    values = {"t1": {"text": "one two tree four"}, "t2": {"text": "five six"}}
    assert report.grade(found, ["t1", "t2"], values) == {"wer": round(1 / 6, 4), "accuracy": 0.5}
    # Nothing said at all: every word is missing.
    assert report.grade(found, ["t1", "t2"], {"t1": {"text": "one two three four"}}) == {
        "wer": round(2 / 6, 4), "accuracy": 0.5,
    }  # fmt: skip
