"""Measures the search engine against others on tabulated trainings, in virtual time."""
