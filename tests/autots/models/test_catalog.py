from __future__ import annotations

import json

import pytest

from autots.models.base import Forecaster
from autots.models.catalog import CATALOG, create, families, family
from zoo.errors import ConfigError


@pytest.mark.parametrize("name", families())
def test_every_entry_is_a_forecaster_of_that_name_with_json_parameters(name):
    cls = family(name)
    assert issubclass(cls, Forecaster)
    assert cls.name == name
    params = create(name).params
    assert create(name, **json.loads(json.dumps(params.to_dict()))).params == params


def test_an_unknown_family_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'seasonal_naive'"):
        create("season_naive")


def test_an_unknown_parameter_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'season'"):
        create("seasonal_naive", seasn=3)


def test_a_family_without_parameters_says_that_there_is_none():
    with pytest.raises(ConfigError, match="there is none"):
        create("naive", season=3)


def test_the_catalog_cannot_be_changed():
    with pytest.raises(TypeError):
        CATALOG["mine"] = "a:B"
