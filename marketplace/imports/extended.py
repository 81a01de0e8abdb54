"""Rows that hold more than a task: known answers, and what models say.

NDJSON rows come as they are. CSV cells become the same objects: an answer is a column of JSON
(`answer`, `value`) or a column for each of its fields of text (`answer.choice`); a score is a
number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from marketplace.imports import ndjson, rows
from marketplace.imports.lines import Record

Errors = dict[str, list[str]]


def known_answers(stream: BinaryIO, content_type: str) -> Iterator[Record]:
    """Yield rows of a task with its `answer` and, where given, `explanation`. Never raises."""
    for record in rows.records(stream, content_type):
        if record.value is None or content_type != rows.CSV:
            yield record
        else:
            yield replace(_known_answer(record.number, record.value), size=record.size)


def predictions(stream: BinaryIO, content_type: str) -> Iterator[Record]:
    """Yield rows of `external_id` or `task`, `value`, `model_version`, `score`. Never raises."""
    for record in rows.records(stream, content_type):
        if record.value is None or content_type != rows.CSV:
            yield record
        else:
            yield replace(_prediction(record.number, record.value), size=record.size)


def _known_answer(number: int, cells: Mapping[str, str]) -> Record:
    answer, rest, errors = _answer("answer", cells)
    explanation = rest.pop("explanation", "")
    task = rows.from_cells(number, rest)
    errors.update(task.error or {})
    if errors:
        return Record(number, None, errors)
    value: dict[str, Any] = {
        "external_id": task.external_id,
        "data": task.data,
        "media": task.media,
        "answer": answer,
        "explanation": explanation,
    }
    return Record(number, value)


def _prediction(number: int, cells: Mapping[str, str]) -> Record:
    answer, rest, errors = _answer("value", cells)
    # An empty cell says nothing; a column of another name is refused with the others' rows.
    value: dict[str, Any] = {name: text for name, text in rest.items() if text}
    if "score" in value:
        try:
            value["score"] = ndjson.loads(value["score"].encode())
        except ValueError:
            errors["score"] = ["A number from 0 to 1."]
    if errors:
        return Record(number, None, errors)
    return Record(number, {**value, "value": answer})


def _answer(part: str, cells: Mapping[str, str]) -> tuple[Any, dict[str, str], Errors]:
    """Take the columns of an answer out of a row: the answer, the other cells, what is wrong."""
    rest: dict[str, str] = {}
    errors: Errors = {}
    fields: dict[str, str] = {}
    answer: Any = None
    for column, text in cells.items():
        name, dot, field = column.partition(".")
        if name != part:
            rest[column] = text
        elif dot and text:
            fields[field] = text
        elif text:
            try:
                answer = ndjson.loads(text.encode())
            except ValueError as problem:
                errors[part] = [str(problem)]
    if not fields:
        return answer, rest, errors
    if answer is not None:
        errors[part] = [f"Give either the column {part} or columns of its fields."]
    return fields, rest, errors
