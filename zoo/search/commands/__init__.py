"""``zoo study``: run a study from a file, and look at one."""
