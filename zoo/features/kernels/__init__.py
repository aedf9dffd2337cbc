"""Functions over flat arrays and offsets: one compiled meaning for tables in memory, for Spark and for one request.

Every kernel computes a row from a fixed number of rows before it (its lookback), by a sequence of floating-point
operations that does not depend on where the row lies. So the newest row of a truncated history has the same bits as
the same row of the whole history.
"""
