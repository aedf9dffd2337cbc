"""The platform: Ray, search, tables. It knows tables with an id and a time; it knows no forecasting."""
