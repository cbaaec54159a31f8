"""The container image, built and run for real: healthy, useful, unprivileged, and outlived by its models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from examples.server import free_port
from tests.factories import QUICK, noisy_sine

REPOSITORY = Path(__file__).parent.parent
TOOLS = REPOSITORY.parent / "shared" / "tools" / "container"
ENVIRONMENT = {
    **os.environ,
    "CONTAINERS_CONF": str(TOOLS / "containers.conf"),
    # hadolint and docker-compose may lie beside the interpreter, in the virtual environment.
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
}
USER = 10001
HEALTHY_SECONDS = 180
KILLED_AFTER_SECONDS = 10


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


def absent(reason: str) -> NoReturn:
    """Skip; but fail in CI, which has to have everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program, path=ENVIRONMENT["PATH"]) is None:
            absent(f"{program} is not installed")


@dataclass(frozen=True)
class Container:
    """A running container, by its name and the URL of the service in it."""

    name: str
    url: str

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run("podman", "exec", self.name, *command, check=False)

    def wait_until_healthy(self) -> None:
        """Run the image's health check until it is content."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        while run("podman", "healthcheck", "run", self.name, check=False).returncode != 0:
            if time.monotonic() > deadline or self.state("Running") != "true":
                pytest.fail(f"not healthy:\n{run('podman', 'logs', self.name, check=False)}")

    def state(self, field: str) -> str:
        return run("podman", "inspect", "--format", f"{{{{.State.{field}}}}}", self.name).stdout.strip()

    def post(self, path: str, body: object) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=120)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The image, built from this repository."""
    if not TOOLS.is_dir():
        absent("the tools that build and run containers are not there")
    if os.geteuid() != 0:
        absent("only root can make the image that ours stands on")
    need("buildah", "podman", "runc", "debootstrap")
    tag = f"forecast-service-test-{os.getpid()}"
    run(TOOLS / "make_base.sh")
    run(TOOLS / "build.sh", REPOSITORY, tag)
    yield tag
    run("podman", "rmi", tag, check=False)


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[Container]:
    """The image, hardened as docker-compose.yml does it, on the network of this machine."""
    port = free_port()
    run(TOOLS / "run.sh", image, image, "--env", f"FORECAST_PORT={port}", "--volume", f"{image}:/data/models")
    # Another address of this machine than the usual one: the service has to listen on all that a container may have.
    started = Container(image, f"http://127.0.0.2:{port}")
    try:
        started.wait_until_healthy()
        yield started
    finally:
        run("podman", "rm", "--force", "--time", "0", image, check=False)
        run("podman", "volume", "rm", image, check=False)


def test_the_dockerfile_has_no_known_fault() -> None:
    need("hadolint")
    run("hadolint", "Dockerfile")


@pytest.mark.container
def test_the_compose_file_hardens_and_publishes_to_this_machine_alone() -> None:
    need("docker-compose")
    service = json.loads(run("docker-compose", "config", "--format", "json").stdout)["services"]["forecast"]
    assert [(port["host_ip"], port["target"]) for port in service["ports"]] == [("127.0.0.1", 8000)]
    assert [volume["target"] for volume in service["volumes"]] == ["/data/models"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.container
def test_the_health_check_is_about_the_service(container: Container) -> None:
    check = json.loads(run("podman", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", container.name).stdout)
    assert check[0] == "CMD"
    assert container.execute(*check[1:]).returncode == 0
    nobody_listens = ("env", f"FORECAST_PORT={free_port()}")
    assert container.execute(*nobody_listens, *check[1:]).returncode != 0


@pytest.mark.container
def test_it_has_no_privileges_and_no_place_to_write_but_its_own(container: Container) -> None:
    assert container.execute("id", "-u").stdout.strip() == str(USER)
    capabilities = container.execute("grep", "-h", "^Cap", "/proc/1/status").stdout.split()[1::2]
    assert len(capabilities) == 5
    assert {int(one, 16) for one in capabilities} == {0}
    for folder in ("/", "/opt/venv", "/usr/local/bin", "/etc"):
        assert "Read-only file system" in container.execute("touch", f"{folder}/probe").stderr
    assert container.execute("touch", "/tmp/probe", "/data/models/probe").returncode == 0
    assert container.execute("sh", "-c", "command -v gcc cc make git").returncode != 0


@pytest.mark.container
def test_models_survive_a_restart(container: Container) -> None:
    trained = container.post("/train", {"series": noisy_sine().tolist(), **QUICK})
    assert trained.status_code == 201, trained.text
    asked = {"model_id": trained.json()["model_id"], "horizon": 5}
    forecast = container.post("/forecast", asked)
    assert forecast.status_code == 200, forecast.text
    assert len(forecast.json()["forecasts"][0]["mean"]) == 5

    # 0: it stopped by itself; 137 would be the engine's patience at its end.
    run("podman", "stop", "--time", str(KILLED_AFTER_SECONDS), container.name)
    assert container.state("ExitCode") == "0"
    run("podman", "start", container.name)
    container.wait_until_healthy()

    assert container.post("/forecast", asked).json() == forecast.json()
