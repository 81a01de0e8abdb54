from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import money

amounts = st.integers(0, 10**15)


@pytest.mark.parametrize(
    ("micros", "half_up", "up"),
    [
        ("0", 0, 0),
        ("49.999999", 0, 100),
        ("50", 100, 100),
        ("149.5", 100, 200),
        ("150", 200, 200),
        ("38500", 38_500, 38_500),
        ("38500.000001", 38_500, 38_600),
    ],
)
def test_quotes_go_to_a_ten_thousandth(micros, half_up, up):
    assert money.half_up(Decimal(micros)) == half_up
    assert money.up(Decimal(micros)) == up


def test_a_fee_rounds_up_and_is_never_less_than_its_rate():
    assert money.fee(91_500, Decimal("0.2")) == 18_300
    assert money.fee(457_600, Decimal("0.2")) == 91_600  # 91 520 is no quotable amount
    assert money.fee(100, Decimal("0.0001")) == 100
    assert money.fee(18_000, Decimal(0)) == 0


@given(amounts, st.decimals(0, 1, places=4))
def test_a_fee_is_within_a_step_of_exact(amount, rate):
    found = money.fee(amount, rate)
    assert found % money.STEP_MICROS == 0
    assert 0 <= found - Decimal(amount) * rate < money.STEP_MICROS


def test_cash_takes_whole_cents_and_leaves_the_rest():
    assert money.cents_down(12_345_678) == 12_340_000
    assert money.cents_down(9_999) == 0


@given(amounts, st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any))
def test_parts_sum_exactly_and_are_fair(total, weights):
    parts = money.split(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        exact = Decimal(total) * weight / sum(weights)
        assert abs(part - exact) < 1
        assert weight or not part


def test_equal_remainders_go_to_the_earlier_part():
    assert money.split(100, [1, 1, 1]) == [34, 33, 33]
    assert money.split(0, [3, 4]) == [0, 0]


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, [-1, 2]), (1, []), (1, [0, 0])])
def test_nothing_is_split_by_nonsense(total, weights):
    with pytest.raises(ValueError):
        money.split(total, weights)


@pytest.mark.parametrize(
    ("micros", "currency", "shown"),
    [
        (0, "USD", "$0.00"),
        (900_000, "USD", "$0.90"),
        (38_500, "USD", "$0.0385"),
        (1_485_000, "USD", "$1.4850"),
        (1, "USD", "$0.000001"),
        (-25_000_000, "USD", "-$25.00"),
        (1_234_567_890_000, "USD", "$1,234,567.89"),
        (18_000, "XTS", "XTS 0.0180"),
        (1_000_000, "EUR", "EUR 1.00"),
    ],
)
def test_amounts_are_shown_as_fine_as_they_are(micros, currency, shown):
    assert money.display(micros, currency) == shown
