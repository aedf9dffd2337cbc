import random

import numpy as np
import pytest

from zoo.chance import untouched_chance


def test_a_fault_inside_leaves_the_generators_as_they_were():
    before = random.getstate(), np.random.get_state()[1].copy()
    with pytest.raises(ValueError, match="inside"), untouched_chance():
        random.seed(3)
        np.random.seed(3)
        raise ValueError("inside")
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
