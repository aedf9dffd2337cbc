"""Models, their versions and stages, in a ledger that is only ever added to."""
