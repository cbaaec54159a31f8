"""Forecast service: send a series, get a trained model, ask it for forecasts."""

import sys

# In the syntax of any Python: `python -m service` reads this before a module that an older one cannot read.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("Python 3.11 or newer is needed, and this is %d.%d" % sys.version_info[:2])  # noqa: UP031

__version__ = "0.1.0"
