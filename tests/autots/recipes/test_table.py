"""The table of the package, and how tables are written and read."""

import json
import tomllib
from fnmatch import fnmatch

import numpy as np
import pytest

from autots.models.catalog import create
from autots.recipes.candidates import CANDIDATES
from autots.recipes.table import TABLE, PortfolioTable, portfolio_table
from tests.architecture.house import ROOT
from tests.autots.recipes.tables import HOURLY, YEARLY, row, table
from zoo.errors import ArtifactError

MOST_BYTES = 200_000


def test_a_table_is_read_as_it_was_written():
    made = table(
        row("a", YEARLY, [0.9, 0.8, np.nan, 0.5, 1.5], [1.0, 2.0, np.nan, 0.25, 30.0]),
        row("b", HOURLY, [1.0] * 5, [1.0] * 5),
    )
    again = PortfolioTable.from_json(made.to_json())
    assert again.recipes == made.recipes
    assert again.seconds == made.seconds
    for one, other in zip(made.rows, again.rows, strict=True):
        assert (one.name, one.traits, one.windows) == (other.name, other.traits, other.windows)
        np.testing.assert_allclose(other.units, one.units)
        np.testing.assert_allclose(other.pairs, one.pairs, atol=5e-4)
        np.testing.assert_array_equal(other.fits, one.fits)
    assert again.to_json() == made.to_json()


def test_products_give_back_the_losses_of_members_and_of_pairs():
    one = row("a", YEARLY, [0.9, 0.8, 0.7, 0.5, 1.5], [1.0] * 5)
    products = one.products()
    np.testing.assert_allclose(np.sqrt(np.diagonal(products)), one.alone)
    half = np.array([0.0, 0.5, 0.0, 0.5, 0.0, 0.0])
    assert np.sqrt(half @ products @ half) == pytest.approx(one.pairs[1, 3])


@pytest.mark.parametrize("text", ["{}", "[]", '{"kind": "autots portfolio", "version": 99}'])
def test_another_file_is_refused(text):
    with pytest.raises(ArtifactError, match="portfolio's table must be"):
        PortfolioTable.from_json(text)


def test_a_set_can_be_left_out():
    made = table(row("a", YEARLY, [0.9] * 5, [1.0] * 5), row("b", HOURLY, [0.9] * 5, [1.0] * 5))
    assert [r.name for r in made.without("a").rows] == ["b"]


def test_the_table_of_the_package_is_small_and_whole():
    assert TABLE.stat().st_size < MOST_BYTES
    made = portfolio_table()
    assert len({r.name for r in made.rows}) == len(made.rows) >= 15
    assert {r.family for r in made.recipes} == {r.family for r in CANDIDATES}
    members = len(made.recipes) + 1
    for one in made.rows:
        assert one.units.shape == one.fits.shape == one.sample.shape == (members,)
        assert one.pairs.shape == (members, members)
        assert one.pairs[0, 0] == 1.0
        assert np.isfinite(one.alone).sum() > 10
        known = np.isfinite(one.alone)
        assert np.isfinite(one.pairs[np.ix_(known, known)]).all()
        assert (one.units[known] > 0).all()
        np.testing.assert_array_equal(one.pairs, one.pairs.T)


def test_every_recipe_of_the_table_can_be_made():
    for recipe in portfolio_table().recipes:
        assert create(recipe.family, **recipe.params).name == recipe.family


def test_the_table_is_read_once():
    assert portfolio_table() is portfolio_table()


def test_the_table_is_in_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["autots"]
    assert any(fnmatch(TABLE.name, pattern.removeprefix("**/")) for pattern in patterns)


def test_the_table_is_strict_json():
    json.loads(TABLE.read_text(encoding="utf-8"), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
