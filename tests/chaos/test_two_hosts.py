"""A trainer on a host that is cut off while it trains, and comes back."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.cluster import PostgresServer, S3Server
from tests.chaos.cluster import LONG, Cluster, running_cluster
from tests.chaos.conftest import cluster_environment
from tests.chaos.host import Host, two_hosts
from tests.chaos.process import until

pytestmark = pytest.mark.chaos

# Connections that are not told how long to wait take about as long again as they were cut off.
_CUT_OFF_LONGER, _BACK_AGAIN = 40.0, 35.0


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with two_hosts() as both:
        yield both


@pytest.fixture
def spread(hosts: tuple[Host, Host], tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose Postgres, S3 and servers listen where both hosts reach them."""
    here = hosts[0].this
    # Not pytest's own, which nobody else may enter: Postgres does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="forecast-tests-"))
    folder.chmod(0o755)
    places = folder / "postgres", folder / "s3"
    for one in places:
        one.mkdir()
    postgres, s3 = PostgresServer(places[0], here), S3Server(places[1], here)
    try:
        postgres.start()
        s3.start()
        with running_cluster(cluster_environment(postgres.new_database(), s3), tmp_path, here) as cluster:
            yield cluster
    finally:
        postgres.kill()
        s3.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_host_that_is_cut_off_and_comes_back_loses_and_doubles_nothing(
    spread: Cluster, hosts: tuple[Host, Host]
) -> None:
    near, far = hosts
    server = spread.server()
    for host in hosts:
        _check_that_it_reaches(host, server.url)
    away = spread.trainer("far", far.prefix)
    job = spread.wait_for(spread.submit(1, LONG)[0])
    until(lambda: bool(away.training_children(job.id)), lambda: "the job has no child")
    far.cut()
    there = spread.trainer("near", near.prefix)
    jobs = [job.id, *spread.submit(10)]
    done = spread.wait_for(job.id, "succeeded", attempt=2)
    assert done.worker == "near"
    spread.wait_until_ended(jobs)
    assert away.lives
    time.sleep(_CUT_OFF_LONGER)
    far.heal()
    healed = time.monotonic()
    until(lambda: not away.training_children(job.id), lambda: "the child of a void attempt is left")
    assert there.terminate() == 0
    after = spread.wait_for(spread.submit()[0], "succeeded")
    assert after.worker == "far"
    back = time.monotonic() - healed
    print(f"{back:.1f} s after it was joined again the host had trained")
    assert back < _BACK_AGAIN
    assert spread.job(job.id) == done
    report = spread.check_all_ready([*jobs, after.id])
    assert not report.cleared, "a void file is left"
    assert away.terminate() == 0
    print(f"{len(jobs) + 1} jobs on two hosts: {report}")


def _check_that_it_reaches(host: Host, url: str) -> None:
    asked = f"import urllib.request; urllib.request.urlopen({url + '/readyz'!r}, timeout=30)"
    subprocess.run([*host.prefix, sys.executable, "-c", asked], check=True)
