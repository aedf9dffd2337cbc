"""The search of one fit: trials on workers, the allocation of the budget, the run directory."""
