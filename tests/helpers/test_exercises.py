"""The check behind every exercise: what it accepts, what it refuses, and the sentence it prints."""

import functools
import math
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from helpers.comparing import same
from helpers.exercises import Check, Verdict, compare, sentence


def double(x):
    """That is twice as much."""
    return 2 * x


def no_factor(x):
    """The factor is missing."""
    return x


def verdict(answer, reference=double, cases=((3,), (5,)), mistakes=()):
    return compare(answer, reference, cases, mistakes)


def test_a_verdict_has_a_state_a_reason_and_a_printed_form():
    right = verdict(lambda x: x + x)
    assert (right.state, right.reason, repr(right)) == (
        "right",
        "right, on 2 cases",
        "✓ right, on 2 cases",
    )
    assert repr(verdict(lambda x: None)) == "· not done yet"
    assert repr(verdict(lambda x: x**2)).startswith("✗ <lambda>(3) gave 9, wanted 6")


def test_an_answer_that_is_right_once_is_still_wrong():
    assert verdict(lambda x: 6).state == "wrong"


def test_a_likely_mistake_is_named_by_its_docstring():
    said = verdict(no_factor, mistakes=[no_factor])
    assert repr(said) == "✗ no_factor(3) gave 3, wanted 6\n  The factor is missing."


def test_what_to_notice_follows_a_right_answer():
    check = Check(double, [(3,), (5,)], [no_factor], notice="Twice as much.")
    assert repr(check(lambda x: x * 2)) == "✓ right, on 2 cases. Twice as much."
    assert check(no_factor).state == "wrong"


def forgets_return(x):
    x + x


def forgets_return_once(x):
    if x < 4:
        return 2 * x
    2 * x  # noqa: B018


@pytest.mark.parametrize(
    ("answer", "call"), [(forgets_return, "return(3)"), (forgets_return_once, "return_once(5)")]
)
def test_a_forgotten_return_is_named_and_an_untouched_stub_is_not_accused(answer, call):
    said = repr(verdict(answer))
    assert f"{call} returned None: not done yet, or is a `return` missing?" in said

    def stub(x):
        """What it should do."""
        return None  # your line here

    assert verdict(stub).state == "untouched"


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (3, "3 is not a function: pass the function's name"),
        (None, "None is not a function"),
        ("double", "'double' is not a function"),
        (torch.ones(2), "(2,) [1, 1] is not a function"),
        (Unshowable(), "a Unshowable is not a function"),
        (functools.partial(double), None),
        (functools.partial(pow, 2), "partial(3) gave 8, wanted 6"),
        (int, "int(3) gave 3, wanted 6"),
        (lambda: 6, "raised TypeError"),
        (lambda x: x / 0, "raised ZeroDivisionError"),
        (lambda x: sys.exit("bye"), "raised SystemExit: bye"),
        (lambda x: Unshowable(), "gave a Unshowable, wanted 6"),
        (lambda x: torch.ones(2, device="meta"), "gave (2,) …, wanted 6"),
        (lambda x: torch.ones((), device="meta"), "a tensor on the meta device has a shape and no"),
        (lambda x: float("nan"), "gave nan, wanted 6"),
        (lambda x: "6" * 1000, "…, wanted 6"),
        (lambda x: double, "wanted 6"),
        (lambda x: 10**400, "wanted 6"),
        (lambda x: 10**5000, "a int, wanted 6"),
        (lambda x: 1j, "gave 1j, wanted 6"),
    ],
    ids=range(20),
)
def test_any_answer_gets_a_verdict_and_no_traceback(answer, says):
    said = verdict(answer)
    assert said.state == ("wrong" if says else "right")
    assert (says or "right") in repr(said)
    assert len(repr(said)) < 500


def test_an_answer_on_the_meta_device_is_told_that_it_has_no_numbers():
    said = verdict(lambda x: torch.ones(2, device="meta"), lambda x: torch.ones(2))
    assert "a tensor on the meta device has a shape and no numbers" in said.reason


def test_numbers_are_written_with_six_digits():
    third, reference = (lambda x: [x / 3, (x / 3,)]), (lambda x: [x / 7, (x / 7,)])
    assert "gave [1.0, (1.0,)]".replace(".0", "") in repr(verdict(third, reference))
    assert "wanted [0.428571, (0.428571,)]" in repr(verdict(third, reference))
    said = repr(verdict(lambda x: torch.tensor([1 / 3]), lambda x: torch.tensor([2 / 3])))
    assert "gave (1,) [0.333333], wanted (1,) [0.666667]" in said


def test_an_answer_may_be_a_value_and_the_right_one_is_not_revealed():
    def rank_forgotten():
        """This is rank 1."""
        return 10

    check = Check(lambda: 320, [()], [rank_forgotten], notice="A third of a percent.")
    assert check(None) == Verdict("untouched", "not done yet")
    assert repr(check(320.0)) == "✓ 320 is right. A third of a percent."
    assert repr(check("320")) == "✗ '320' is not a number"
    assert repr(check(27_262_976.0)) == "✗ 27,262,976 is not it"
    assert repr(check(10)) == "✗ 10 is not it\n  This is rank 1."
    assert repr(check(7)) == "✗ 7 is not it"
    assert check(rank_forgotten).state == "wrong" and check(check.reference).state == "right"
    for odd in ("320", [320], float("nan"), torch.ones(2, device="meta"), Unshowable(), double):
        assert check(odd).state == "wrong"


def test_the_learners_function_cannot_change_the_case():
    def answer(x):
        x.mul_(2)
        return x

    case = torch.tensor([1.0, 2.0])
    assert verdict(answer, cases=[(case,)]).state == "right"
    assert case.tolist() == [1.0, 2.0]


def in_place(x):
    x += 1
    return x


def test_an_answer_that_changes_its_argument_is_told_so_right_or_wrong():
    cases = [([torch.ones(2)],), ([torch.zeros(2)],)]
    said = verdict(lambda x: [in_place(x[0])], lambda x: [x[0] + 1], cases)
    told = "It changes its argument `x` in place: work on a copy"
    assert repr(said) == f"✓ right, on 2 cases. {told}"
    said = verdict(in_place, cases=[(torch.ones(2),), (torch.zeros(2),)])
    assert said.state == "wrong" and f"\n  {told}." in said.reason
    assert told not in repr(verdict(lambda x: x[0] + 1, lambda x: x[0] + 1, cases))
    said = verdict(lambda d: d.pop("a"), lambda d: d["a"], [({"a": 1},)])
    assert said.state == "right" and "`d` in place" in said.reason


def signless(x):
    """The sign is lost."""
    return abs(x)


def turned(x):
    """The sign is turned round."""
    return -x


def test_of_two_mistakes_that_give_the_same_the_one_that_explains_more_cases_is_named():
    cases = [(-2,), (3,), (5,)]
    for mistake in (signless, turned):
        said = verdict(mistake, lambda x: x, cases, [turned, signless])
        assert said.reason.endswith(sentence(mistake))


def test_a_mistake_that_gives_the_same_by_chance_is_not_named():
    said = verdict(lambda x: x**2, lambda x: x, [(2,), (3,), (5,), (7,)], [double])
    assert said.reason == "<lambda>(2) gave 4, wanted 2\n  off by a factor of 2"
    lost = Check(lambda x: x, [(2.0,)], [])(lambda x: torch.tensor(x).mul(-1).log())
    assert lost.reason == "<lambda>(2) gave nan, wanted 2"  # a factor of nan helps nobody


def test_a_case_where_both_are_right_is_no_sign_of_a_mistake():
    """An answer and a mistake that are right nearly everywhere need not have anything in common."""
    cases = [(-2,), (-3,), (2,), (3,), (5,), (7,)]
    said = verdict(lambda x: 2 if x == -2 else x, lambda x: x, cases, [signless])
    assert "sign" not in said.reason  # one of the two cases that tell
    said = verdict(lambda x: 1 if x == 7 else abs(x), lambda x: x, cases, [signless])
    assert said.reason.endswith(sentence(signless))  # two of three


def test_a_call_with_many_numbers_shows_shapes():
    case = (*(torch.rand(3, 4) for _ in range(3)), torch.tensor([2, 7]), 5)
    said = verdict(lambda a, b, c, d, e: 1, lambda a, b, c, d, e: 2, [case]).reason
    assert "((3, 4) …, (3, 4) …, (3, 4) …, (2,) [2, 7], 5) gave 1" in said


def test_a_difference_that_cannot_be_seen_is_said():
    big = torch.zeros(4, 5)
    one_off = big.clone()
    one_off[2, 3] = 1
    assert "at [2, 3] it is 1, wanted 0" in verdict(lambda x: one_off, lambda x: big).reason
    assert "off by 1" in verdict(lambda x: 27_262_977, lambda x: 27_262_976).reason
    assert "3 values, wanted 2" in verdict(lambda x: (1, 2, 3), lambda x: (1, 2)).reason
    assert "2 values are wanted" in verdict(lambda x: 1, lambda x: (1, 2)).reason
    said = verdict(lambda x: (big, big.T), lambda x: (big, big)).reason
    assert "in [1], the shape is (5, 4), wanted (4, 5)" in said
    assert "one tensor, wanted 2" in verdict(lambda x: big, lambda x: (big, big)).reason
    pair = torch.zeros(2), torch.zeros(2)
    said = verdict(lambda x: (pair[0], torch.tensor([0.0, 1])), lambda x: pair).reason
    assert "in [1], at [1] it is 1, wanted 0" in said
    assert "the shape is (0,), wanted (2,)" in verdict(lambda x: [], lambda x: pair[0]).reason


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (torch.ones(2, 3), torch.ones(3, 2)),
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1])),
        (torch.tensor([float("nan")]), torch.tensor([1.0])),
        (True, 1),
        ([1, 2], [1, 2, 3]),
        ("12", 12),
        (None, 0),
        (1_000_000_001, 1_000_000_000),  # a count is exact
        (1_000_000_000.5, 1_000_000_000),
        (torch.tensor([1_000_000_001]), torch.tensor([1_000_000_000])),
        (torch.tensor([1, 0]), torch.tensor([True, False])),
        ([1, 0], torch.tensor([True, False])),
        (torch.tensor([True, False]), torch.tensor([1, 0])),
        (torch.tensor([1.0, 0.0]), torch.tensor([1, 0])),
        ([1.0, 0.0], torch.tensor([1, 0])),
        (torch.tensor([1, 0]), torch.tensor([1, 0], dtype=torch.int8)),  # int8 was asked for
        (torch.tensor([2.0, -math.inf]), torch.tensor([1.0, -math.inf])),
        ([[1.0], [2.0, 3.0]], torch.ones(2, 2)),
        ([1.0, None], torch.ones(2)),
        (torch.tensor([1, 2]), [1, 2]),  # a list was asked for
        (torch.tensor([1, 2, 3]), (1, 2)),
        ({1, 2}, (1, 2)),
        (torch.nn.Parameter(torch.ones(2).double()), torch.ones(2)),
        (torch.ones(1), 1.0),
    ],
)
def test_what_is_not_the_same(got, wanted):
    assert not same(got, wanted)


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (torch.tensor([1.0, 1e-9]), torch.tensor([1.0, 0.0])),  # rounding beside a large neighbour
        (torch.tensor(3.0), 3.0),
        ((2, 3), [2, 3]),
        (12, 12.0),
        (12.0, 12),
        (np.int64(12), 12),
        (np.float32(0.1), 0.1),
        (np.bool_(True), True),
        (Fraction(1, 3), 1 / 3),
        (np.array([0.25, -3]), (0.25, -3)),
        (torch.tensor([0.25, -3]), (0.25, -3)),
        ([torch.tensor(0.25), np.float64(-3)], (0.25, -3)),
        ((np.ones((2, 2)), torch.zeros(1)), (torch.ones(2, 2), torch.zeros(1))),
        ([[1, 2], (3, 4)], torch.tensor([[1.0, 2.0], [3.0, 4.0]])),
        ([torch.ones(2), torch.ones(2)], torch.ones(2, 2)),
        (np.array([0.5, 1.0]), torch.tensor([0.5, 1.0])),  # float64 stands for float32 there
        (np.array([True, False]), torch.tensor([True, False])),
        (torch.tensor([1, 2], dtype=torch.int32), torch.tensor([1, 2])),
        (torch.arange(6).reshape(2, 3).T, torch.tensor([[0, 3], [1, 4], [2, 5]])),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
        (torch.tensor([1.0, -math.inf]), torch.tensor([1.0, -math.inf])),
        (torch.ones(2, requires_grad=True), torch.ones(2)),
    ],
)
def test_what_is_the_same(got, wanted):
    assert same(got, wanted)


def test_what_is_to_be_written_is_not_to_be_called():
    check = Check(math.sqrt, [(4.0,), (9.0,)], not_by=(math, "fabs"))
    kept = math.fabs
    assert check(lambda x: x**0.5).state == "right"
    said = check(lambda x: math.fabs(x) ** 0.5)
    assert said.state == "wrong"
    assert said.reason.endswith("RuntimeError: fabs is what you write here: do without it")
    assert math.fabs is kept
    assert check(lambda x: None).state == "untouched", "a stub is still seen"
