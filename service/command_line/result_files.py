"""Frames as tables, CSV files and pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.command_line.csv_files import STDIN
from service.command_line.printing import plain, print_table

if TYPE_CHECKING:
    import pandas as pd


def print_frame(frame: pd.DataFrame) -> None:
    """Print a frame as a table."""
    columns = [frame[name].astype(str).tolist() if name == "ds" else frame[name].tolist() for name in frame.columns]
    print_table(list(frame.columns), list(zip(*columns, strict=True)))


def write_csv(frame: pd.DataFrame, file: str) -> None:
    """Write a frame as CSV, to a file or stdout. Raises OSError."""
    frame.to_csv(sys.stdout if file == STDIN else Path(file), index=False)


def draw(plot: Callable[[], Any], file: str) -> None:
    """Draw into a file, without a screen. Raises OSError, and ValueError for a kind of picture that is not known."""
    import matplotlib as mpl

    mpl.use("Agg")
    import numpy as np

    # As matplotlib names a file without a kind.
    picture = file if Path(file).suffix else f"{file}.png"
    first = np.ravel(plot())[0]
    first.figure.savefig(picture, dpi=120)
    print(plain(f"drawn into {picture}"), file=sys.stderr)
