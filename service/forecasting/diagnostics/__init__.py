"""Tests of a series: its season, its demand, whether it is noise, a random walk or neither."""
