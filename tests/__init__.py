"""The tests; a package of their own, because some library (mlforecast) installs one of the same name."""
