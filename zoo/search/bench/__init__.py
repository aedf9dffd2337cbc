"""Figures about the search, each from one function."""
