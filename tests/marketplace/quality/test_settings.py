"""The settings of a job's quality."""

import math

import pytest

from marketplace.quality.settings import QualitySettings, SettingsError


def test_what_is_missing_has_its_default():
    found = QualitySettings.from_dict({"kmax": 7})
    assert (found.kmin, found.kmax, found.lead, found.confidence) == (2, 7, 2, 0.95)
    assert (found.gold_share, found.audit_share) == (0.05, 0.02)
    assert QualitySettings.from_dict(found.as_dict()) == found


def test_a_kind_may_suggest_others():
    usual = {"kmax": 7}
    assert QualitySettings.from_dict({}, usual=usual).kmax == 7
    assert QualitySettings.from_dict({"kmax": 3}, usual=usual).kmax == 3


def test_one_bound_brings_the_other_along():
    assert QualitySettings.from_dict({"kmax": 1}).kmin == 1
    assert QualitySettings.from_dict({"kmin": 9}).kmax == 9


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (None, ""),
        ([], ""),
        ({"kmin": 0}, "kmin"),
        ({"kmin": 6, "kmax": 5}, "kmin"),
        ({"kmin": True}, "kmin"),
        ({"kmax": 51}, "kmax"),
        ({"kmax": 5.0}, "kmax"),
        ({"kmax": "5"}, "kmax"),
        ({"lead": 0}, "lead"),
        ({"confidence": 0.4}, "confidence"),
        ({"confidence": 1}, "confidence"),
        ({"confidence": math.nan}, "confidence"),
        ({"agreement": 1.1}, "agreement"),
        ({"gold_share": 0.6}, "gold_share"),
        ({"gold_share": -0.1}, "gold_share"),
        ({"gold_share": math.inf}, "gold_share"),
        ({"gold_share": None}, "gold_share"),
        ({"audit_share": [0.1]}, "audit_share"),
        ({"ban_floor": 1}, "ban_floor"),
        ({"speed": 1}, "speed"),
    ],
)
def test_what_cannot_be_is_named(given, field):
    with pytest.raises(SettingsError) as caught:
        QualitySettings.from_dict(given)
    assert set(caught.value.errors) == {field}
