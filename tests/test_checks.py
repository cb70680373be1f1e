"""The check behind every exercise: what it accepts, refuses, and says."""

import pytest
import torch

from helpers.checks import compare, same


def verdict(capsys, answer, reference=lambda x: 2 * x, cases=((3,), (5,)), mistakes=None):
    compare(answer, reference, cases, mistakes)
    return capsys.readouterr().out


def test_right_wrong_and_untouched(capsys):
    assert verdict(capsys, lambda x: x + x).startswith("✓ right, on 2 cases")
    assert verdict(capsys, lambda x: None).strip() == "· not done yet"
    assert "gave 9, wanted 6" in verdict(capsys, lambda x: x**2)


def test_an_answer_that_is_right_once_is_still_wrong(capsys):
    assert verdict(capsys, lambda x: 6).startswith("✗")


def test_a_crash_is_a_verdict(capsys):
    assert "raised ZeroDivisionError" in verdict(capsys, lambda x: x / 0)


def test_a_likely_mistake_is_named(capsys):
    said = verdict(capsys, lambda x: x, mistakes={"the factor is missing": lambda x: x})
    assert "the factor is missing" in said


def test_the_learners_function_cannot_change_the_case(capsys):
    def answer(x):
        x.mul_(2)
        return x

    case = torch.tensor([1.0, 2.0])
    assert verdict(capsys, answer, cases=[(case,)]).startswith("✓")
    assert case.tolist() == [1.0, 2.0]


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
    ],
)
def test_what_is_the_same(got, wanted):
    assert same(got, wanted)
