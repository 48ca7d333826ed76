import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.confirms import Confirms


class Naive:
    """The same, said plainly: a list of what became of each number."""

    def __init__(self) -> None:
        self.fate: list[str] = []

    def settle(self, number: int, multiple: bool, fate: str) -> list[int]:
        last = number or len(self.fate)
        numbers = range(1, last + 1) if multiple else [last]
        fresh = [each for each in numbers if not self.fate[each - 1]]
        for each in fresh:
            self.fate[each - 1] = fate
        return fresh

    @property
    def settled_through(self) -> int:
        return next((i for i, fate in enumerate(self.fate) if not fate), len(self.fate))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(1, 20), st.booleans()),
            st.tuples(st.sampled_from(["ack", "nack"]), st.integers(0, 60), st.booleans()),
            st.just(("take", 0, False)),
        ),
        max_size=80,
    )
)
def test_confirms_agree_with_a_plain_list_in_any_order_of_acks_and_nacks(
    steps: list[tuple[str, int, bool]],
) -> None:
    confirms, naive = Confirms(), Naive()
    refused: list[int] = []
    for verb, number, multiple in steps:
        if verb == "send":
            confirms.send(number)
            naive.fate += [""] * number
        elif verb == "take":
            assert list(confirms.take_refused()) == sorted(refused)
            refused = []
        elif number > len(naive.fate) or (number == 0 and not multiple):
            with pytest.raises(ValueError, match="settled message"):
                getattr(confirms, verb)(number, multiple)
        else:
            getattr(confirms, verb)(number, multiple)
            fresh = naive.settle(number, multiple, verb)
            refused += fresh if verb == "nack" else []
        assert confirms.settled_through == naive.settled_through
        assert confirms.outstanding == naive.fate.count("")


def test_what_is_held_stays_within_what_is_outstanding() -> None:
    confirms = Confirms()
    for start in range(1, 10_001, 100):
        confirms.send(100)
        for number in range(start + 99, start - 1, -1):
            confirms.ack(number, multiple=False)
            assert len(confirms._beyond) <= 100
    assert confirms.settled_through == 10_000
    assert not confirms._beyond
