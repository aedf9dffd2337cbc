"""S series in flat arrays of N rows, and their clock: offsets, frequencies, the calendar, zones, moving windows.

Panels, feature batches, models and the server are views of what is here; it knows no forecasting and no user's table.
"""
