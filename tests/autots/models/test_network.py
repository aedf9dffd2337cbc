"""The pooled network: what torch learns, numpy forecasts."""

import dataclasses

import numpy as np
import pytest
import torch

from autots.models.base import Context, Task
from autots.models.catalog import create
from autots.models.neural import training
from autots.models.neural.inputs import ColumnScaler
from autots.models.neural.network import Shape, forward, initial
from autots.models.neural.training import Examples, Schedule, train
from autots.models.origins import ForecastOrigins
from autots.models.windows import WindowSpec, WindowTable
from autots.panel import Frequency, Future, Panel
from autots.testing.example_panels import panel_of
from zoo.clock import Deadline, ManualClock
from zoo.errors import BudgetError

SHAPE = Shape(inputs=7, hidden=16, blocks=2, horizon=3, features=4, known=2, decoder=8, channels=3)
LEVELS = (0.1, 0.5, 0.9)


def examples(rng, windows=400):
    x = rng.normal(size=(windows, 7)).astype(np.float32)
    known = rng.normal(size=(windows, 3, 2)).astype(np.float32)
    target = (x[:, :3] + 2 * known[..., 0] + rng.normal(size=(windows, 3))).astype(np.float32)
    return Examples(x, known, target, np.ones(windows, dtype=np.float32))


@dataclasses.dataclass
class ExampleSource:
    data: Examples

    def __len__(self):
        return len(self.data.x)

    def __call__(self, rows):
        d = self.data
        return Examples(d.x[rows], d.known[rows], d.target[rows], d.weight[rows])


def test_numpy_forecasts_what_torch_would():
    rng = np.random.default_rng(0)
    arrays = initial(SHAPE, rng)
    x, known = rng.normal(size=(5000, 7)), rng.normal(size=(5000, 3, 2))
    tensors = {k: torch.from_numpy(v).double() for k, v in arrays.items()}
    theirs = training._network(torch, SHAPE, tensors, torch.from_numpy(x), torch.from_numpy(known), dropout=0.0)
    np.testing.assert_allclose(forward(SHAPE, arrays, x, known), theirs.numpy(), atol=1e-10)


def test_training_learns_quantiles_that_cover_their_share():
    rng = np.random.default_rng(1)
    data = examples(rng, 3000)
    arrays, _ = train(
        SHAPE, ExampleSource(data), LEVELS, Schedule(600, 64, 5e-3), context=Context(1), squared_error=False
    )
    fresh = examples(rng, 2000)
    made = forward(SHAPE, arrays, fresh.x.astype(float), fresh.known.astype(float))
    for i, level in enumerate(LEVELS):
        assert (fresh.target < made[..., i]).mean() == pytest.approx(level, abs=0.05)
    # The noise has a standard deviation of 1, and nothing else is left over.
    assert np.abs(fresh.target - made[..., 1]).mean() == pytest.approx(0.8, abs=0.08)


def test_the_mean_has_a_channel_where_squared_errors_count():
    rng = np.random.default_rng(2)
    shape = Shape(**{**vars(SHAPE), "channels": 4})
    data = examples(rng, 2000)
    skewed = Examples(
        data.x, data.known, data.target + rng.exponential(3.0, data.target.shape).astype("f4"), data.weight
    )
    arrays, _ = train(
        shape, ExampleSource(skewed), LEVELS, Schedule(500, 64, 5e-3), context=Context(1), squared_error=True
    )
    made = forward(shape, arrays, data.x.astype(float), data.known.astype(float))
    assert (made[..., 3] - made[..., 1]).mean() == pytest.approx(3.0 - 3.0 * np.log(2), abs=0.35)


def test_training_leaves_torchs_own_chance_and_threads_alone():
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    data = examples(np.random.default_rng(0), 50)
    first, _ = train(
        SHAPE, ExampleSource(data), LEVELS, Schedule(20, 16, 1e-3, dropout=0.5), context=Context(3), squared_error=False
    )
    torch.testing.assert_close(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    again, _ = train(
        SHAPE, ExampleSource(data), LEVELS, Schedule(20, 16, 1e-3, dropout=0.5), context=Context(3), squared_error=False
    )
    assert all(np.array_equal(first[k], again[k]) for k in first)


def test_missing_targets_and_weightless_windows_teach_nothing():
    rng = np.random.default_rng(4)
    data = examples(rng, 200)
    spoiled = Examples(data.x, data.known, np.where(rng.random((200, 3)) < 0.3, np.nan, data.target), data.weight)
    arrays, _ = train(
        SHAPE, ExampleSource(spoiled), LEVELS, Schedule(50, 32, 1e-3), context=Context(), squared_error=False
    )
    assert all(np.isfinite(v).all() for v in arrays.values())
    halves = Examples(data.x, data.known, data.target, np.r_[np.ones(100), np.zeros(100)].astype("f4"))
    wild = Examples(data.x, data.known, np.r_[data.target[:100], data.target[100:] + 1e3].astype("f4"), halves.weight)
    a, b = (
        train(SHAPE, ExampleSource(d), LEVELS, Schedule(50, 32, 1e-3), context=Context(), squared_error=False)[0]
        for d in (halves, wild)
    )
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_training_ends_soon_after_its_deadline():
    clock = ManualClock()
    deadline = Deadline.after(1.0, clock)
    clock.advance(2.0)
    with pytest.raises(BudgetError, match="before it began"):
        train(SHAPE, ExampleSource(examples(np.random.default_rng(0))), LEVELS, Schedule(50, 16, 1e-3),
              context=Context(0, deadline), squared_error=False)  # fmt: skip


def test_a_schedule_is_fitted_to_the_time_and_its_rate_still_falls_to_zero(monkeypatch):
    rates = []
    step = training._Flat.step

    def noted(flat, rate):
        rates.append(rate)
        step(flat, rate)

    monkeypatch.setattr(training._Flat, "step", noted)
    data = ExampleSource(examples(np.random.default_rng(0)))
    deadline = Deadline.after(300.0, ManualClock(tick=1.0))
    schedule, context = Schedule(1000, 16, 1e-3), Context(0, deadline)
    _, progress = train(SHAPE, data, LEVELS, schedule, context=context, squared_error=False)
    assert 0.05 < progress < 0.5
    assert progress == pytest.approx(len(rates) / 1000, abs=0.01)
    assert max(rates) > 0.9e-3
    assert rates[-1] < 0.1e-3


def test_a_step_is_that_of_torchs_own_optimizer():
    import torch

    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(3, 4)).astype("f4"), "b": rng.normal(size=5).astype("f4")}
    ours = training._Flat(torch, arrays)
    theirs = {k: torch.from_numpy(v.copy()).requires_grad_() for k, v in arrays.items()}
    optimizer = torch.optim.AdamW(list(theirs.values()), lr=1e-2, weight_decay=1e-2)
    for _ in range(20):
        for found in (ours.arrays(), theirs):
            ((found["a"] ** 2).sum() + torch.sin(found["b"]).sum()).backward()
        ours.step(1e-2)
        torch.nn.utils.clip_grad_norm_(list(theirs.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    for name, value in ours.arrays().items():
        np.testing.assert_allclose(value.detach().numpy(), theirs[name].detach().numpy(), rtol=1e-5, atol=1e-7)


def test_an_encoding_standardises_and_fills_with_the_mean():
    columns = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]])
    encoding = ColumnScaler.of(columns)
    np.testing.assert_allclose(encoding(columns), [[-1, 0], [1, 0], [0, 0]])
    np.testing.assert_allclose(encoding.without(1)(columns)[:2], [[1, 0], [3, 0]])
    assert ColumnScaler.of(np.zeros((4, 3, 0)))(np.zeros((4, 3, 0))).shape == (4, 3, 0)


def test_dates_go_round():
    from autots.models.neural.inputs import step_columns

    times = np.arange("2023-01-01", "2024-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    panel = Panel(np.array(["a"], dtype=object), np.array([0, 365]), times, np.arange(365.0), Frequency.parse("D"))
    table = WindowTable(panel, Task(2, (7,)), WindowSpec())
    at = ForecastOrigins(np.zeros(3, dtype=np.int64), np.array([10, 17, 200]))
    columns = step_columns(table, at, Future({}), {})
    # A week later the weekday is the same, and the season nearly so.
    assert np.abs(columns[0] - columns[1]).max() < 0.3
    assert np.abs(columns[0] - columns[2]).max() > 1.0


@pytest.mark.parametrize("classes", [3, 40])
def test_categories_that_are_known_in_the_future_move_the_forecast(classes):
    rng = np.random.default_rng(0)
    code = rng.integers(0, classes, 400).astype(float)
    effect = np.where(code % 3 == 0, 10.0, 0.0)
    panel = panel_of([20 + effect + rng.normal(size=400)], known=code)
    panel = Panel(panel.ids, panel.indptr, panel.times, panel.y, panel.freq, known=panel.known,
                  categorical=frozenset({"x"}))  # fmt: skip
    model = create("mlp", epochs=40.0).fit(panel, Task(4, (1,), LEVELS), Context(0))
    first = model.predict(panel, Future({"x": np.array([[0.0, 1.0, 0.0, 1.0]])})).quantiles[0, :, 1]
    if classes == 3:
        assert (first[[0, 2]] - first[[1, 3]]).min() > 5
    # A code that was never seen is no error.
    assert np.isfinite(model.predict(panel, Future({"x": np.full((1, 4), 99.0)})).mean).all()
