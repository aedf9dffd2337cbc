"""Tables: where they come from and where they go."""
