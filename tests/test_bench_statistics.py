"""What the bench concludes from timings whose truth is known: processes that differ, rounds that straggle."""

import math

import numpy as np
import pytest

from dualnet.bench import statistics

PROCESSES, ROUNDS = 5, 20
BETWEEN = 0.10  # two identical processes were measured to differ by so much
TRIALS = 400


def side(generator: np.random.Generator, seconds: float = 1.0, processes: int = PROCESSES) -> list[list[float]]:
    """Return rounds of each process: normal between them, Student's t of 2 degrees (no variance) between rounds."""
    centres = generator.normal(0, BETWEEN, (processes, 1))
    rounds = 0.1 * np.abs(generator.standard_t(2, (processes, ROUNDS)))
    return (seconds * np.exp(centres + rounds)).tolist()


def verdicts(factor: float, trials: int, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    return [statistics.ratio(side(generator), side(generator, factor), seed=i).verdict for i in range(trials)]


def test_the_same_against_itself_differs_at_most_5_times_in_100() -> None:
    alarms = sum(verdict != statistics.NONE for verdict in verdicts(1.0, TRIALS, 1))
    assert alarms <= 0.05 * TRIALS


def test_without_the_processes_it_would_cry_wolf() -> None:
    """The simulation is hard enough: an interval over all rounds as if they were one process's is wrong mostly."""
    generator, wrong = np.random.default_rng(2), 0
    for _ in range(100):
        left, right = (np.log(side(generator)).ravel() for _ in range(2))
        gap = right.mean() - left.mean()
        wrong += abs(gap) > 1.96 * math.sqrt(left.var() / left.size + right.var() / right.size)
    assert wrong > 20


@pytest.mark.parametrize(("factor", "verdict"), [(1.3, "faster"), (1 / 1.3, "slower")])
def test_thirty_percent_are_found(factor: float, verdict: str) -> None:
    found = verdicts(factor, 200, 3)
    assert found.count(verdict) >= 0.8 * len(found)
    assert set(found) <= {verdict, statistics.NONE}  # never the wrong way round


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """95 in 100; of 300 trials, at least 92.5 (two standard deviations of such a count below)."""
    generator, held = np.random.default_rng(4), 0
    for i in range(300):
        found = statistics.ratio(side(generator), side(generator, 1.1), seed=i).speed
        held += found.low <= 1.1 <= found.high
    assert held >= 0.925 * 300


@pytest.mark.parametrize("processes", [2, 3, 8, 12])
def test_other_numbers_of_processes_keep_the_promise(processes: int) -> None:
    generator, trials = np.random.default_rng(5), 100
    alarms = sum(
        statistics.ratio(side(generator, 1.0, processes), side(generator, 1.0, processes), seed=i).verdict
        != statistics.NONE
        for i in range(trials)
    )
    assert alarms <= 9  # 5 expected at most; 9 is two standard deviations of such a count above


def test_one_process_has_no_interval_and_no_verdict() -> None:
    found = statistics.ratio([[1.0, 1.0]], [[3.0, 3.0]])
    assert found.speed.value == pytest.approx(3)
    assert found.verdict == statistics.NONE
    assert found.control == math.inf


def test_a_straggling_round_moves_nothing_much() -> None:
    quiet = [[1.0, 1.01, 0.99, 1.0, 1.02]] * 3
    loud = [[*rounds[:4], 100.0] for rounds in quiet]
    assert statistics.middle(loud) == pytest.approx(statistics.middle(quiet), rel=0.02)


def test_the_control_is_the_worst_half_against_the_other() -> None:
    """Four processes: two against two differ by twice the variance of four against four."""
    times = [[1.0], [2.0], [1.0], [2.0]]
    assert statistics.control(times) == pytest.approx(math.log(2) / math.sqrt(2))


def test_it_is_settled_once_rounds_matter_less_than_processes() -> None:
    generator = np.random.default_rng(6)
    rounds = generator.normal(0, 0.1, (5, 400))
    centres = np.array([[-0.1], [-0.05], [0.0], [0.05], [0.1]])
    times = np.exp(centres + rounds)
    assert not statistics.settled(times[:, :5].tolist())
    assert statistics.settled(times.tolist())


@pytest.mark.parametrize("rounds", [1, 2, 9, 10])
def test_resampled_medians_are_those_of_rounds_drawn_with_replacement(rounds: int) -> None:
    """The short way by a beta distribution has the moments of the long one, to within five of their standard errors."""
    generator = np.random.default_rng(7)
    times = np.exp(generator.normal(0, 1, (1, rounds)))
    short = np.concatenate([statistics._drawn(times.tolist(), generator)[:, 0] for _ in range(10)])
    long = np.median(np.log(times)[0, generator.integers(0, rounds, (len(short), rounds))], axis=1)
    error = math.sqrt(2 / len(short)) * (long.std() + 1e-12)
    assert abs(short.mean() - long.mean()) <= 5 * error
    assert short.std() == pytest.approx(long.std(), rel=5 / math.sqrt(len(short)))
