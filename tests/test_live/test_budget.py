"""The latency budget: smaller inputs, skipped frames, and what is said when it cannot be kept."""
from medseg.live.budget import SCALES, Budget


def feed(budget, cost_ms, wait_ms=0.0, count=400):
    """Pictures whose work grows with the input's area; the sizes that were used."""
    used = []
    for _ in range(count):
        used.append(budget.scale)
        work = cost_ms * budget.scale ** 2
        budget.observe(work + wait_ms, work)
    return used


def test_the_largest_size_that_fits():
    budget = Budget(50, True)
    used = feed(budget, 80)
    # 80 ms at full size, 57.8 at 0.85, 39.2 at 0.7.
    assert used[0] == 1 and budget.scale == 0.7 and budget.kept
    assert used.count(0.7) > 300


def test_back_to_full_size():
    budget = Budget(50, True)
    feed(budget, 80, count=30)
    assert budget.scale == 0.7
    assert feed(budget, 20)[-1] == 1.0


def test_a_size_that_was_too_slow_is_not_tried_all_the_time():
    budget = Budget(50, True)
    # At 0.85 the work would fit by its own, 39 of 50 ms, were it not for the waiting.
    used = feed(budget, 54, wait_ms=14, count=3000)
    changes = sum(a != b for a, b in zip(used, used[1:], strict=False))
    assert used.count(0.7) > 2500 and changes < 15


def test_without_a_budget_or_sizes():
    budget = Budget(None, True)
    assert set(feed(budget, 500)) == {1.0} and budget.kept
    fixed = Budget(50, False)
    assert set(feed(fixed, 80)) == {1.0} and not fixed.kept
    slow = Budget(10, True)
    assert feed(slow, 200)[-1] == SCALES[-1] and not slow.kept


def test_old_frames_are_skipped():
    budget = Budget(50, False)
    feed(budget, 30, count=20)
    assert not budget.too_old(10) and budget.too_old(25) and budget.skipped == 1
    # A network that is too slow for the budget anyway skips nothing: that would show nothing.
    slow = Budget(50, False)
    feed(slow, 80, count=20)
    assert not slow.too_old(25) and slow.skipped == 0
