"""A FastAPI route that parses a JSON body and returns an empty object: the reference for forecasts by HTTP."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.post("/forecast")
async def forecast(body: dict[str, Any]) -> dict[str, Any]:
    """Parse the body as FastAPI does and return an empty object."""
    del body
    return {}


@app.get("/readyz")
async def readyz() -> dict[str, Any]:
    """Report that requests are accepted."""
    return {}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
