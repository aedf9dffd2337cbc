"""What a fit says of itself."""

from autots.search.messages import of_early_end


def test_a_search_that_its_time_ended_says_nothing_of_its_end():
    assert of_early_end(79, 80, 100.0) == ""


def test_a_search_that_ended_by_itself_says_why_and_how_early():
    said = of_early_end(81, 80, 24_000.4)
    assert said == ("the search ended by itself, 24000 s before its time: 81 trials in a row made no better ensemble")
