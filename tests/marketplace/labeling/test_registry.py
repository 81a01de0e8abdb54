"""The registry finds kinds by themselves."""

import pytest

from marketplace.labeling import registry


def test_the_kinds_there_are():
    assert {"choices", "transcript"} <= set(registry.KINDS)
    assert all(registry.get(name).name == name for name in registry.KINDS)


def test_there_is_no_other_kind():
    with pytest.raises(KeyError):
        registry.get("smell")


def test_nobody_changes_what_there_is():
    with pytest.raises(TypeError):
        registry.KINDS["smell"] = registry.get("choices")  # type: ignore[index]
