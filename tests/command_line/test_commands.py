"""``python -m service VERB`` against a running server, as scripts and people call it."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import pytest

from examples.server import free_port
from service.__main__ import main
from service.client import Client
from service.client.data.table import Table
from service.errors import AmbiguousNumbers
from service.tables.csv_table import read_table
from tests.client.data import ENDLESS, ROWS, daily, panel
from tests.factories import seasonal, warm_months, workbook
from tests.tables.csv_cases import CASES, Numbers

Run = Callable[..., tuple[int, str, str]]

QUICK = ("--horizon", "3", "--option", "context_length=8", "--option", "training.epochs=3")


@pytest.fixture
def run(server_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; return its exit code, stdout and stderr."""
    monkeypatch.setenv("FORECAST_URL", server_url)

    def command(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as end:
            code = int(str(end.code))
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "sales.csv"
    daily().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "stores.csv"
    panel().rename(columns={"unique_id": "store", "ds": "month", "y": "units"}).to_csv(
        path, index=False, sep=";", decimal=","
    )
    return path


@pytest.fixture(scope="module")
def name(server_url: str, sales: Path) -> str:
    """The name of a model of the file."""
    options = ["--target", "units", "--name", "of a file", "--url", server_url, *QUICK]
    assert main(["train", str(sales), *options]) == 0
    return "of a file"


def table(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), sep="\t")


def test_train(run: Run, sales: Path) -> None:
    code, out, err = run("train", sales, "--target", "units", "--name", "sales", *QUICK)
    assert code == 0
    fields, metrics = out.split("\n\n")
    values = table(fields).set_index("field")["value"]
    assert (values["name"], values["status"], values["horizon"]) == ("sales", "ready", "3")
    assert table(metrics).set_index("after the split").loc["mae"].astype(float).min() > 0
    assert "note: columns not used: note" in err


def test_train_as_json_from_stdin(run: Run, sales: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(sales.read_bytes())))
    options = ("--option", "candidates=naive", "--option", "candidates=drift", "--option", "nonnegative=true")
    code, out, err = run("train", "-", "--target", "units", "--json", *options)
    model = json.loads(out)
    assert (code, err) == (0, "")
    assert {one["candidate"] for one in model["candidates"]} == {"naive", "drift"}
    assert model["configuration"]["nonnegative"] is True


def test_train_without_waiting(run: Run, sales: Path) -> None:
    code, out, _ = run("train", sales, "--target", "units", "--no-wait", "--json", *QUICK)
    job = json.loads(out)
    assert (code, job["status"] in ("queued", "running", "succeeded")) == (0, True)
    code, out, _ = run("jobs", job["job_id"], "--wait", "--json")
    assert (code, json.loads(out)["model_id"]) == (0, job["model_id"])
    code, out, _ = run("jobs", job["job_id"])
    assert table(out).set_index("field")["value"]["status"] == "succeeded"


def test_forecast(run: Run, name: str) -> None:
    code, out, err = run("forecast", name, "--horizon", 4, "--level", "80,95")
    frame = table(out)
    assert code == 0
    assert list(frame.columns) == ["unique_id", "ds", "mean", "lo-80", "hi-80", "lo-95", "hi-95"]
    assert frame["ds"].tolist() == ["2024-04-04", "2024-04-05", "2024-04-06", "2024-04-07"]
    assert "note: intervals are calibrated up to 3" in err
    code, out, _ = run("forecast", name, "--horizon", 4, "--json", "--quantiles", "0.1,0.9", "--num-samples", 2)
    answer = json.loads(out)["forecasts"][0]
    assert answer["mean"] == frame["mean"].tolist()
    assert set(answer["quantiles"]) == {"0.1", "0.9"}
    assert len(answer["samples"]) == 2


def test_items_of_several_columns(run: Run, tmp_path: Path) -> None:
    """In one text or in several options; the model knows them later."""
    days = pd.date_range("2024-01-01", periods=40)
    keys = [(7, "a,b"), (10, "a,b")]
    frames = [pd.DataFrame({"store": store, "sku": sku, "ds": days, "y": days.day}) for store, sku in keys]
    pd.concat(frames).to_csv(tmp_path / "panel.csv", index=False)
    name, file = "items of two columns", tmp_path / "panel.csv"
    assert run("train", file, "--item", "store,sku", "--name", name, *QUICK)[0] == 0
    for asked in ([], ["--history", file], ["--history", file, "--item", "store", "--item", "sku"]):
        code, out, _ = run("forecast", name, "--horizon", 1, *asked)
        assert (code, table(out)[["store", "sku"]].to_numpy().tolist()) == (0, [list(key) for key in keys])
    code, out, _ = run("forecast", name, "--horizon", 1, "--items", "10|a,b")
    assert code == 1  # the comma separates items
    code, out, _ = run("backtest", name, file, "--start", "38", "--item", "store,sku", "--csv", "-")
    assert out.startswith("store,sku,origin,")


def test_booleans_and_categories(run: Run, tmp_path: Path) -> None:
    """In the file that is trained on, in a history, and in the values ahead."""
    kinds, open_ = ["none", "flyer", "none", "radio", "flyer"] * 12, ["yes", "no", "yes"] * 20
    units = [10 + 5 * len(kind) + 7 * len(word) for kind, word in zip(kinds, open_, strict=True)]
    days = pd.date_range("2024-01-01", periods=60)
    file, ahead = tmp_path / "kinds.csv", tmp_path / "ahead.csv"
    pd.DataFrame({"day": days, "units": units, "kind": kinds, "open": open_, "always": "y"}).to_csv(file, index=False)
    ahead.write_text("day,kind,open,always\n2024-03-01,none,yes,n\n2024-03-02,tv,no,y\n")
    covariates = [part for name in ("kind", "open", "always") for part in ("--future-covariates", name)]
    options = ("--option", "candidates=mean", "--option", "season_length=1", "--option", "transform=none")
    code, out, err = run("train", file, "--target", "units", *covariates, "--name", "kinds", *options)
    assert code == 0
    assert "always is 1 in all rows, so it is not used" in err
    for history in ([], ["--history", file]):
        code, out, err = run("forecast", "kinds", "--horizon", 2, "--future-covariates", ahead, *history)
        assert code == 0
        assert table(out)["mean"][0] == pytest.approx(10 + 5 * 4 + 7 * 3, abs=2)
        assert "kind is 'tv', which the training data did not have" in err
        assert "always is 'n', which the training data did not have" in err
    assert run("backtest", "kinds", file, "--start", "50")[0] == 0


def test_zero_shot(run: Run, sales: Path) -> None:
    code, out, err = run("forecast", "zero-shot", "--history", sales, "--horizon", 4, "--season-length", 7)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) > 4
    assert run("backtest", "zero-shot", sales, "--horizon", 2)[0] == 0
    code, _, err = run("forecast", "zero-shot")
    assert code != 0
    assert "cannot be used: zero-shot forecasts a history: send one" in err
    combined = ("--resample", "W,sum", "--time-zone", "Europe/Berlin")
    assert len(run("forecast", "zero-shot", "--history", sales, "--horizon", 4, *combined)[1].splitlines()) > 4
    assert run("backtest", "zero-shot", sales, "--horizon", 2, *combined)[0] == 0


def test_zero_shot_from_stdin(run: Run, sales: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run("forecast", "zero-shot", "--history", sales, "--horizon", 4)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(sales.read_bytes())))
    assert run("forecast", "zero-shot", "--history", "-", "--horizon", 4) == expected
    assert expected[0] == 0


def test_forecast_into_files(run: Run, name: str, sales: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("forecast", name, "--history", sales, "--csv", "out.csv", "--plot")
    assert code == 0
    assert "plot written to forecast.png" in err
    assert (tmp_path / "forecast.png").read_bytes().startswith(b"\x89PNG")
    written = pd.read_csv(tmp_path / "out.csv")
    assert written["mean"].tolist() == table(out)["mean"].tolist()
    assert run("forecast", name, "--csv", "-")[1].startswith("unique_id,ds,mean,")
    assert run("forecast", name, "--plot", tmp_path / "no folder" / "x.png")[0] == 2
    assert run("forecast", name, "--plot", "x.nonsense")[0] == 2


def test_a_panel(run: Run, stores: Path, tmp_path: Path) -> None:
    assert run("train", stores, "--item", "store", "--target", "units", "--name", "stores", *QUICK)[0] == 0
    frame = table(run("forecast", "stores", "--horizon", 2, "--items", "store-2,store-0")[1])
    assert set(frame["unique_id"]) == {"store-0", "store-2"}
    history = table(run("forecast", "stores", "--horizon", 2, "--history", stores, "--item", "store")[1])
    both = frame.merge(history, on=["unique_id", "ds"])
    assert len(both) == 4
    assert both["mean_x"].tolist() == pytest.approx(both["mean_y"].tolist())
    code, _, err = run("backtest", "stores", stores, "--item", "store", "--start", 70, "--plot", tmp_path / "b.png")
    assert (code, (tmp_path / "b.png").exists()) == (0, True), err


def test_columns_known_ahead(run: Run, tmp_path: Path) -> None:
    path, ahead = tmp_path / "priced.csv", tmp_path / "ahead.csv"
    prices = [(row * 7) % 5 for row in range(ROWS)]
    daily().assign(price=prices, units=[50 + 20 * price for price in prices]).to_csv(path, index=False)
    ahead.write_text("day,price\n2024-04-05,2\n2024-04-04,1\n")
    options = ("--target", "units", "--future-covariates", "price", "--name", "priced")
    assert run("train", path, *options, *QUICK)[0] == 0
    code, out, _ = run("forecast", "priced", "--horizon", 2, "--future-covariates", ahead)
    assert code == 0
    assert table(out)["mean"].tolist() == pytest.approx([70, 90], abs=5)


@pytest.mark.parametrize(("column", "form"), [("month", "%Y-%m"), ("Monat", "%d.%m.%Y"), ("Monat", "%Y%m%d")])
def test_columns_known_ahead_are_matched_by_time(run: Run, tmp_path: Path, column: str, form: str) -> None:
    months, temperatures, sales = warm_months()
    frame = pd.DataFrame({column: pd.to_datetime(months).strftime(form), "temp": temperatures, "y": sales})
    past, known = tmp_path / "past.csv", tmp_path / "known.csv"
    frame[:48].to_csv(past, index=False)
    asked = ("--target", "y", "--future-covariates", "temp", "--name", "warm", "--option", "season_length=1")
    written = ("--date-format", form) if form == "%d.%m.%Y" else ()
    code, _, err = run("train", past, *asked, *written, "--option", "candidates=naive", *QUICK)
    assert code == 0, err
    for ahead in (frame, frame[::-1], frame[48:]):
        ahead.drop(columns="y").to_csv(known, index=False)
        code, out, err = run("forecast", "warm", "--horizon", 3, "--future-covariates", known)
        assert code == 0, err
        assert table(out)["mean"].tolist() == pytest.approx([140, 180, 220], abs=2)
    frame.drop(49).to_csv(known, index=False)
    code, _, err = run("forecast", "warm", "--horizon", 3, "--future-covariates", known)
    assert (code, f"no row for {frame[column][49]!r}" in err, "'temp'" in err) == (1, True, True), err


def test_columns_known_ahead_of_a_panel(run: Run, tmp_path: Path) -> None:
    months, temperatures, sales = warm_months()
    frame = pd.DataFrame({"month": months, "temp": temperatures, "y": sales})
    stores = pd.concat([frame.assign(store="a"), frame.assign(store="b", y=frame["y"] * 2)])
    past, known = tmp_path / "past.csv", tmp_path / "known.csv"
    stores[stores["month"] < "2024"].to_csv(past, index=False)
    stores.drop(columns="y").to_csv(known, index=False)
    asked = ("--item", "store", "--target", "y", "--future-covariates", "temp", "--name", "warm stores")
    assert run("train", past, *asked, "--option", "season_length=1", "--option", "candidates=naive", *QUICK)[0] == 0
    forecast = ("forecast", "warm stores", "--horizon", 3, "--item", "store", "--future-covariates", known)
    code, out, err = run(*forecast)
    assert code == 0, err
    assert table(out)["mean"].tolist() == pytest.approx([140, 180, 220, 280, 360, 440], abs=4)


def test_backtest(run: Run, name: str, sales: Path, tmp_path: Path) -> None:
    csv, png = tmp_path / "out.csv", tmp_path / "out.png"
    code, out, _ = run("backtest", name, sales, "--target", "units", "--start", 60, "--csv", csv, "--plot", png)
    assert code == 0
    assert table(out).set_index("error")["model"]["mae"] > 0
    assert pd.read_csv(csv)["y"].tolist() == pytest.approx(daily()["units"].iloc[60:].tolist())
    assert png.read_bytes().startswith(b"\x89PNG")
    code, out, _ = run("backtest", name, sales, "--start", "2024-03-01", "--horizon", 2, "--stride", 2, "--json")
    assert json.loads(out)["forecasts"][0]["timestamps"][0] == ["2024-03-01", "2024-03-02"]


def test_models_go_out_and_in(run: Run, name: str, tmp_path: Path) -> None:
    listed = table(run("models")[1])
    assert name in set(listed["name"])
    [record] = json.loads(run("models", "--name", name, "--status", "ready", "--limit", 1, "--json")[1])
    assert json.loads(run("models", name, "--json")[1]) == record
    code, out, _ = run("download", name, tmp_path)
    path = Path(out.strip())
    assert (code, path.parent) == (0, tmp_path)
    assert json.loads(run("download", name, path, "--json")[1]) == {"path": str(path)}
    code, out, _ = run("upload", path, "--name", "taken in", "--json")
    copy = json.loads(out)
    assert (code, copy["name"]) == (0, "taken in")
    assert run("delete", copy["model_id"], "no such model")[0] == 1
    assert json.loads(run("delete", "taken in", "--json")[1]) == {"deleted": [copy["model_id"]]}
    code, _, err = run("models", "taken in")
    assert (code, "No such model" in err) == (1, True)


def test_jobs(run: Run, server_url: str) -> None:
    with Client(server_url) as client:
        job = client.train(seasonal(2000), wait=False, **ENDLESS)
    assert job.id in set(table(run("jobs", "--limit", 5)[1])["job_id"])
    assert json.loads(run("jobs", job.id, "--cancel", "--json")[1])["status"] == "cancelled"
    assert job.id in {one["job_id"] for one in json.loads(run("jobs", "--status", "cancelled", "--json")[1])}
    code, out, err = run("jobs", job.id, "--cancel")
    assert (code, out) == (1, "")
    assert "already ended" in err
    code, _, err = run("jobs", job.id, "--wait")
    assert (code, "cancelled" in err) == (1, True)


def test_what_the_server_refuses_is_1(run: Run, sales: Path, name: str) -> None:
    code, out, err = run(
        "train", sales, "--target", "units", "--option", "training.epochs=many", "--option", "horizzon=2"
    )
    assert (code, out) == (1, "")
    assert "#/training/epochs: " in err
    assert "#/horizzon: " in err
    assert "request " in err
    code, _, err = run("forecast", name, "--history", sales, "--target", "nope")
    assert (code, "no column 'nope'" in err) == (1, True)
    long = ("training.epochs=9000", "training.patience=9000", "network.cell=lstm", "network.hidden_size=64")
    options = [part for one in long for part in ("--option", one)]
    code, _, err = run("train", sales, "--target", "units", "--timeout", "0.01", *options)
    assert (code, "continues" in err) == (1, True)
    [job] = json.loads(run("jobs", "--limit", 1, "--json")[1])
    assert run("jobs", job["job_id"], "--cancel")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train"], "required: file"),
        (["train", "no such file.csv"], "no such file.csv: No such file"),
        (["train", __file__, "--option", "epochs"], "NAME=VALUE"),
        (["train", __file__, "--horizon", "0"], "whole number of at least 1"),
        (["forecast", "x", "--level", "a,b"], "not a list of numbers"),
        (["forecast", "x", "--resample", "D"], "such as 5min,mean"),
        (["forecast", "x", "--level", "80", "--quantiles", "0.5"], "not allowed with"),
        (["train", __file__, "--horizon", "9" * 20], "whole number of at least 1"),
        (["forecast", "x", "--seed", "9" * 20], "whole number of at least 0"),
        (["forecast", "x", "--url", "nowhere"], "looks like http"),
        (["forecast", "x", "--url", "http://127.0.0.1:port"], "looks like http"),
        (["train", "\x1b[31mred"], " [31mred: No such file"),
        (["jobs", "--cancel"], "need the ID of a job"),
        (["upload", "no such file"], "no such file: No such file"),
        (["nonsense"], "invalid choice"),
    ],
)
def test_a_wrong_command_is_2(run: Run, arguments: list[str], told: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_a_time_that_is_none_is_refused(run: Run, sales: Path, seconds: str) -> None:
    code, _, err = run("train", sales, "--target", "units", f"--timeout={seconds}")
    assert code == 2
    assert f"'{seconds}' is not a number of seconds of at least 0" in err


def test_no_server_is_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.connection._FIRST", 0.01)
    url = f"http://127.0.0.1:{free_port()}"
    code, out, err = run("models", "--url", url)
    assert (code, out) == (3, "")
    assert url in err


def test_a_key_is_sent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECAST_API_KEY", "unseen\tby all")
    code, _, err = run("models")
    assert (code, "API key" in err, "unseen" in err) == (2, True, False)


def test_exit_codes_are_in_the_help(run: Run) -> None:
    for command in ("train", "forecast", "backtest", "models", "jobs", "delete", "download", "upload"):
        code, out, _ = run(command, "--help")
        told = " ".join(out.split())
        assert code == 0
        assert "Exit code 0: success, 1: error or timeout" in told
        assert "3: the server cannot be reached" in told


def test_a_table_on_a_terminal(server_url: str, name: str) -> None:
    main_end, terminal = pty.openpty()
    environment = {**os.environ, "FORECAST_URL": server_url, "TERM": "xterm", "COLUMNS": "120"}
    command = [sys.executable, "-m", "service", "forecast", name, "--horizon", "2"]
    with subprocess.Popen(command, env=environment, stdout=terminal, stderr=subprocess.PIPE) as process:
        os.close(terminal)
        shown = _all_of(main_end)
        assert process.wait() == 0
    assert "━" in shown or "─" in shown
    assert "2024-04-05" in shown
    assert "\t" not in shown


def _all_of(descriptor: int) -> str:
    parts = []
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        while True:
            try:
                part = stream.read(65_536)
            except OSError:
                break
            if not part:
                break
            parts.append(part)
    return b"".join(parts).decode()


def test_ctrl_c_leaves_the_training(server_url: str, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    pd.DataFrame({"units": seasonal(2000)}).to_csv(path, index=False)
    options = [f"--option=training.{name}={value}" for name, value in ENDLESS["training"].items()]
    options += [f"--option=network.{name}={value}" for name, value in ENDLESS["network"].items()]
    command = [sys.executable, "-m", "service", "train", str(path), "--name", "left alone", *options]
    environment = {**os.environ, "FORECAST_URL": server_url}
    with Client(server_url) as client:
        before = {job.id for job in client.jobs()}
    with Client(server_url) as client, subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not (running := [job for job in client.jobs(status="running") if job.id not in before]):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr is not None
        told = process.stderr.read().decode()
        assert "continues" in told
        assert "Traceback" not in told
        [job] = running
        assert job.refresh().status == "running"
        job.cancel()


def test_whoever_has_read_enough_may_go(server_url: str, name: str) -> None:
    command = f"{sys.executable} -m service forecast '{name}' --horizon 5000 | head -1"
    environment = {**os.environ, "FORECAST_URL": server_url}
    ended = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("unique_id")
    assert "BrokenPipe" not in ended.stderr


@pytest.mark.parametrize("options", ["", " --json"])
@pytest.mark.parametrize(("to", "code", "told"), [(">&-", 0, ""), ("> /dev/full", 2, "No space left on device")])
def test_an_output_that_takes_nothing(server_url: str, name: str, options: str, to: str, code: int, told: str) -> None:
    command = f"{sys.executable} -m service models '{name}'{options} {to}"
    environment = {**os.environ, "FORECAST_URL": server_url}
    ended = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr


def test_a_stdin_that_is_closed_is_told(server_url: str) -> None:
    command = f"{sys.executable} -m service upload - <&-"
    environment = {**os.environ, "FORECAST_URL": server_url}
    ended = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "stdin is closed\n")


def test_a_model_is_uploaded_from_stdin(server_url: str, name: str, tmp_path: Path) -> None:
    with Client(server_url) as client:
        file = client.model(name).download(tmp_path / "a.safetensors")
    command = [sys.executable, "-m", "service", "upload", "-", "--name", "from stdin", "--json"]
    environment = {**os.environ, "FORECAST_URL": server_url}
    ended = subprocess.run(command, env=environment, input=file.read_bytes(), capture_output=True, check=True)
    assert json.loads(ended.stdout)["name"] == "from stdin"


def asked(**named: Any) -> argparse.Namespace:
    left_out = dict.fromkeys(("item", "time", "separator", "decimal", "thousands"))
    return argparse.Namespace(**{**left_out, **named})


@pytest.mark.parametrize(("text", "numbers"), CASES.values(), ids=CASES)
def test_numbers_of_files_are_read_as_the_server_reads_them(text: str, numbers: Numbers, tmp_path: Path) -> None:
    from service.command_line.output import read_frame

    path = tmp_path / "a.csv"
    path.write_text(text)
    if numbers is None:
        with pytest.raises(AmbiguousNumbers, match=r"a\.csv: line ., column .Wert.: .* give decimal"):
            read_frame(str(path), asked())
        numbers = read_table(text.encode(), decimal="comma").numbers("Wert")
        assert read_frame(str(path), asked(decimal="comma"))["Wert"].tolist() == numbers
        return
    read = read_frame(str(path), asked())["Wert"]
    assert [None if math.isnan(one) else one for one in read] == pytest.approx(numbers)


def test_a_column_that_is_not_needed_may_be_written_as_it_likes(tmp_path: Path) -> None:
    from service.command_line.output import read_frame

    path = tmp_path / "a.csv"
    path.write_text("Datum;Wert;n\n2024-01-01;2.210;1\n2024-01-02;1.005;2\n")
    frame = read_frame(str(path), asked(), ["n"])
    assert (frame["n"].tolist(), frame["Wert"].tolist()) == ([1, 2], ["2.210", "1.005"])
    path.write_text("Datum;n\n2024-01-01;\n2024-01-02;\n")
    assert (
        Table({"n": nw.from_native(read_frame(str(path), asked(), ["n"])["n"], series_only=True)}).numbers("n").size
        == 2
    )


def test_german_files(run: Run, tmp_path: Path) -> None:
    """Months and thousands as German spreadsheets write them, through all commands that read files."""
    path = tmp_path / "umsatz.csv"
    rows = [f"{row % 12 + 1:02}.{2018 + row // 12};{1 + row % 12}.{row % 7}10;{row % 5}" for row in range(60)]
    path.write_text("\n".join(["Monat;Umsatz;Tage", *rows]))
    code, _, err = run("train", path, "--name", "umsatz", *QUICK)
    assert (code, "which column is to be forecast" in err) == (1, True)
    code, _, err = run("train", path, "--name", "umsatz", "--target", "Umsatz", *QUICK)
    assert (code, "give decimal" in err) == (1, True)
    options = ("--target", "Umsatz", "--decimal", "comma")
    assert run("train", path, "--name", "umsatz", *options, *QUICK)[0] == 0
    code, out, _ = run("forecast", "umsatz", "--history", path, "--decimal", "comma", "--horizon", 2)
    frame = table(out)
    assert (code, frame["ds"].astype(str).tolist()) == (0, ["1.2023", "2.2023"])
    assert frame["mean"].min() > 500
    assert run("forecast", "umsatz", "--history", path)[0] == 1
    assert run("backtest", "umsatz", path, "--thousands", ".", "--start", 50)[0] == 0


def test_files_as_the_server_reads_them(tmp_path: Path) -> None:
    from service.command_line.output import read_frame

    path = tmp_path / "semicolons.csv"
    path.write_text("\ufeffid;month;units;note\n007;2024-01;1,5;a\nNA;2024-02; NA;b\n", encoding="utf-8")
    frame = read_frame(str(path), asked(item=["id"]))
    assert frame["id"].tolist() == ["007", "NA"]
    assert frame["units"].fillna(-1).tolist() == [1.5, -1]
    assert frame["month"].tolist() == ["2024-01", "2024-02"]
    assert frame["note"].tolist() == ["a", "b"]


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
def test_workbooks_and_parquet_files(run: Run, sales: Path, name: str, tmp_path: Path, suffix: str) -> None:
    path, bad, csv = (tmp_path / one for one in (f"sales.{suffix}", f"bad.{suffix}", "sales.csv"))
    # Excel keeps 16 digits.
    frame = pd.read_csv(sales).round(2)
    frame.to_csv(csv)
    rows = [list(frame), *frame.itertuples(index=False)]
    path.write_bytes(workbook(rows) if suffix == "xlsx" else frame.to_parquet())
    for command in (("forecast", name, "--history"), ("backtest", name)):
        assert run(*command, path) == run(*command, csv)
    assert run("train", path, "--target", "units", *QUICK)[0] == 0
    bad.write_bytes(path.read_bytes()[:-50])
    code, _, err = run("forecast", name, "--history", bad)
    assert (code, f"{bad}: the {'Excel' if suffix == 'xlsx' else 'Parquet'} file cannot be read" in err) == (1, True)


def test_times_in_several_columns(run: Run, tmp_path: Path) -> None:
    hours = [(f"2024-03-{1 + row // 24:02}", f"{row % 24:02}:00") for row in range(240)]
    months = [(2015 + row // 12, row % 12 + 1) for row in range(100)]
    for names, times, following in (("Date,Time", hours, "2024-03-11 01:00"), ("year,month", months, "2023-06")):
        path = tmp_path / "a.csv"
        rows = [f"{first},{second},{row % 7}" for row, (first, second) in enumerate(times)]
        path.write_text("\n".join([f"{names},units", *rows]))
        assert run("train", path, "--name", names, "--target", "units", *QUICK)[0] == 0
        code, out, err = run("forecast", names, "--history", path, "--horizon", 2)
        assert (code, err) == (0, "")
        assert table(out)["ds"].astype(str).iloc[-1].startswith(following)
        assert run("backtest", names, path, "--start", 90)[0] == 0


def test_a_workbook_has_no_decimal_mark(run: Run, name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook([["ds", "units"], ["2024-01-01", 1.5]]))
    code, _, err = run("backtest", name, path, "--decimal", "comma")
    assert (code, "an Excel file has no decimal: leave it out" in err) == (1, True)


def test_escapes_in_names_do_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from service.command_line.output import print_table

    print_table(("name",), [("\x1b[31mred\tand\nmore",)])
    assert capsys.readouterr().out == "name\n [31mred and more\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_name_that_the_output_has_no_letters_for(server_url: str, sales: Path, encoding: str) -> None:
    called = "Größe 日本 😀"
    with Client(server_url) as client:
        model = client.train(sales, target="units", name=called, horizon=3, context_length=8, training={"epochs": 2})
    environment = {**os.environ, "FORECAST_URL": server_url, "PYTHONIOENCODING": encoding}

    def printed(*options: str) -> str:
        command = [sys.executable, "-m", "service", "models", model.id, *options]
        ended = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.decode(encoding)

    assert called.encode(encoding, "backslashreplace").decode(encoding) in printed()
    assert json.loads(printed("--json"))["name"] == called


def test_what_a_server_says_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from service.command_line.main import _report
    from service.errors import InvalidOption

    error = InvalidOption("\x1b]0;title\x07")
    error.request_id = "\x1b[2J"
    _report(error)
    assert "\x1b" not in capsys.readouterr().err


def test_a_fault_is_told_once(run: Run, name: str) -> None:
    _, _, err = run("forecast", name, "--level", "nan")
    assert err.count("#/level/0: ") == 1
    code, _, err = run("forecast", name, "--level", "0.95")
    assert (code, "percent is meant: 95" in err) == (1, True)


def test_a_picture_without_a_kind_is_a_png(run: Run, name: str, tmp_path: Path) -> None:
    code, _, err = run("forecast", name, "--plot", tmp_path / "picture")
    assert (code, f"plot written to {tmp_path / 'picture.png'}\n" in err) == (0, True)
    assert (tmp_path / "picture.png").stat().st_size > 5000


def test_a_client_that_is_not_installed_is_told(tmp_path: Path) -> None:
    (tmp_path / "narwhals.py").write_text("raise ModuleNotFoundError('no', name='narwhals')")
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "service", "models"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "pip install '.[client]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_observed_values_are_monitored(run: Run, tmp_path: Path) -> None:
    known, later = tmp_path / "known.csv", tmp_path / "later.csv"
    daily()[:70].to_csv(known, index=False)
    daily().to_csv(later, index=False)
    run("train", known, "--target", "units", "--name", "monitored", *QUICK)
    code, out, _ = run("monitor", "monitored")
    assert (code, table(out).set_index("field")["value"]["status"]) == (0, "too_few")
    run("observe", "monitored", later)
    code, out, _ = run("monitor", "monitored")
    fields, scores = out.split("\n\n")
    assert (code, table(fields).set_index("field")["value"]["rows"]) == (0, str(len(daily()) - 70))
    assert table(scores)["score"].tolist() == [
        "mae", "rmse", "mase", "skill", "bias", "coverage 80", "coverage 95",
    ]  # fmt: skip
    assert list(table(scores).columns) == ["score", "newest 25", "newest 100", "all", "training"]
    code, out, _ = run("monitor", "monitored", "--json")
    assert (code, len(json.loads(out)["windows"])) == (0, 3)


def test_names_are_shown_and_moved(run: Run, name: str, sales: Path) -> None:
    code, out, _ = run("train", sales, "--target", "units", "--name", "another", "--json", *QUICK)
    model_id = json.loads(out)["model_id"]
    code, out, _ = run("promote", "a/b", model_id)
    values = table(out).set_index("field")["value"]
    assert (code, values["name"], values["mode"], values["model_id"]) == (0, "a/b", "pinned", model_id)
    code, out, _ = run("promote", "a/b", name, "--json")
    moved = json.loads(out)
    assert (code, moved["revision"], moved["model_id"] != model_id) == (0, 2, True)
    code, out, _ = run("names", "a/b")
    fields, moves = out.split("\n\n")
    assert (code, table(fields).set_index("field")["value"]["rollback to"]) == (0, model_id)
    assert table(moves)["model_id"].tolist() == [moved["model_id"], model_id]
    assert table(moves)["reason"].tolist() == ["promoted", "promoted"]
    code, out, _ = run("rollback", "a/b", "--json")
    assert (code, json.loads(out)["model_id"]) == (0, model_id)
    code, out, _ = run("forecast", "a/b", "--horizon", 2, "--json")
    assert (code, json.loads(out)["model_id"]) == (0, model_id)
    code, out, _ = run("names")
    # As lines: other tests may have left names with quotes.
    listed = {line.split("\t")[0]: line.split("\t")[2] for line in out.splitlines()}
    assert (code, listed["a/b"], listed["another"]) == (0, model_id, model_id)
    code, out, _ = run("names", "--limit", 1, "--json")
    assert (code, len(json.loads(out))) == (0, 1)
    code, _, err = run("delete", "a/b")
    assert (code, "/names/a%2Fb/follow" in err) == (1, True)
    code, _, err = run("rollback", "a/b")
    assert (code, "nothing is known" in err) == (1, True)
    code, out, _ = run("follow", "a/b", "--json")
    assert (code, json.loads(out)["model_id"]) == (0, None)
    code, _, err = run("names", "nobody")
    assert (code, "No such model" in err) == (1, True)


def test_a_model_is_retrained(run: Run, tmp_path: Path) -> None:
    known, later = tmp_path / "known.csv", tmp_path / "later.csv"
    daily()[:70].to_csv(known, index=False)
    daily().to_csv(later, index=False)
    run("train", known, "--target", "units", "--name", "retrained", *QUICK)
    code, _, told = run("retrain", "retrained")
    assert code != 0
    assert "nothing was observed" in told
    run("observe", "retrained", later)
    code, out, _ = run("retrain", "retrained", "--start", "scratch")
    fields = table(out).set_index("field")["value"]
    assert (code, fields["start"]) == (0, "scratch")
    assert fields["champion"] in (fields["model_id"], fields["parent"])
    assert "neither was fitted on" in fields["reason"]
