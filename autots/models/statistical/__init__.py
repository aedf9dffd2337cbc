"""Classical models of single series: exponential smoothing, Theta, ARIMA, decompositions, intermittent demand.

Each class is one import away and none is imported here: statsforecast and statsmodels take seconds to load.
"""
