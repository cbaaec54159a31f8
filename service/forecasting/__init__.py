"""Forecasting models: numpy and numba, without files, HTTP or clocks."""
