"""What a study has found, as a table, as shares of importance, and as one HTML page."""
