"""The container image, built and run for real: healthy, useful, unprivileged, and outlived by its models."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from examples.cluster import PostgresServer, S3Server
from examples.server import free_port
from service.cpu_levels import cpu_levels, supported_levels
from tests.factories import QUICK, noisy_sine
from tests.nginx import CONFIGURATION

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
# The build for the CPU, with all that training a network asks of it.
TORCH_TRAINS = """
import torch
assert torch.version.cuda is None, torch.version.cuda
network = torch.nn.GRU(1, 4, num_layers=2, dropout=0.1, batch_first=True)
optimizers = [one(network.parameters(), lr=0.01) for one in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)]
for optimizer in optimizers:
    optimizer.zero_grad()
    network(torch.ones(3, 5, 1))[0].square().mean().backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
assert torch.autograd.gradcheck(torch.tanh, torch.ones(3, dtype=torch.float64, requires_grad=True))
"""
KILLED_AFTER_SECONDS = 10
SHIPPED = "/opt/venv/share/forecast-service/kernels"
# Where LLVM's names of the processor and its features are read. A processor that has AVX2, but not AVX-512:
OTHER_PROCESSOR = """
from llvmlite import binding
host = binding.get_host_cpu_features().items()
features = binding.FeatureMap({name: has and not name.startswith("avx512") for name, has in host})
binding.get_host_cpu_name, binding.get_host_cpu_features = lambda: "haswell", lambda: features
"""


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
    try:
        with running(image, image, "--volume", f"{image}:/data/models") as started:
            started.wait_until_healthy()
            yield started
    finally:
        run("podman", "volume", "rm", image, check=False)


@contextmanager
def running(name: str, image: str, *options: str) -> Iterator[Container]:
    """Run the image, hardened, until the block ends."""
    port = free_port()
    settings = ("--env", f"FORECAST_PORT={port}", "--env", "FORECAST_ALLOW_NO_KEYS=true")
    run(TOOLS / "run.sh", name, image, *settings, *options)
    try:
        # Another address than the usual one: the service has to listen on all that a container may have.
        yield Container(name, f"http://127.0.0.2:{port}")
    finally:
        run("podman", "rm", "--force", "--time", "0", name, check=False)


def test_the_dockerfile_has_no_known_fault() -> None:
    need("hadolint")
    run("hadolint", "Dockerfile")


def composed(*options: str) -> dict[str, Any]:
    """Return the services of docker-compose.yml as docker-compose understands them."""
    need("docker-compose")
    run("docker-compose", *options, "config", "--quiet")
    services: dict[str, Any] = json.loads(run("docker-compose", *options, "config", "--format", "json").stdout)
    return dict(services["services"])


@pytest.mark.container
def test_the_compose_file_hardens_and_publishes_to_this_machine_alone() -> None:
    services = composed()
    assert set(services) == {"forecast"}
    service = services["forecast"]
    assert [(port["host_ip"], port["target"]) for port in service["ports"]] == [("127.0.0.1", 8000)]
    assert [volume["target"] for volume in service["volumes"]] == ["/data/models"]
    assert service["environment"] == {"FORECAST_ALLOW_NO_KEYS": "true"}
    assert "ALLOW_NO_KEYS" not in (REPOSITORY / "Dockerfile").read_text()
    check_hardened(service)


@pytest.mark.container
def test_the_compose_file_has_a_server_with_gpus() -> None:
    services = composed("--profile", "gpu")
    assert set(services) == {"forecast", "forecast-gpu"}
    server, without = services["forecast-gpu"], services["forecast"]
    assert {name for name in server if server[name] != without.get(name)} == {"build", "deploy", "image", "profiles"}
    assert re.fullmatch(r"https://download\.pytorch\.org/whl/cu\d+", server["build"]["args"]["TORCH_INDEX"])
    devices = server["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": -1, "capabilities": ["gpu"]}]
    check_hardened(server)


def check_hardened(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.container
def test_the_compose_file_has_a_cluster_of_which_only_the_proxy_can_be_reached() -> None:
    services = composed("--profile", "cluster")
    del services["forecast"]
    servers = {"api-1", "api-2"}
    assert set(services) == {"proxy", "postgres", "s3", "trainer-1", "trainer-2"} | servers
    assert {name for name, one in services.items() if "ports" in one} == {"proxy"}
    assert [port["host_ip"] for port in services["proxy"]["ports"]] == ["127.0.0.1"]
    assert set(re.findall(r"server ([\w-]+):8000 ", CONFIGURATION.read_text())) == servers
    for name, one in services.items():
        check_hardened(one)
        assert one.get("cap_add", []) == (["DAC_OVERRIDE"] if name == "s3" else [])
        assert name == "proxy" or set(one["networks"]) == {"cluster"}
    # Each has the others' addresses and secrets.
    environment = services["api-1"]["environment"]
    assert environment["FORECAST_ALLOW_NO_KEYS"] == "true"
    assert all(services[name]["environment"] == environment for name in services if name[:3] in ("api", "tra"))
    assert (
        f":{services['postgres']['environment']['POSTGRES_PASSWORD']}@postgres/" in environment["FORECAST_DATABASE_URL"]
    )
    assert services["s3"]["environment"] == {
        f"AWS_{name}": environment[f"FORECAST_S3_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    }


@pytest.mark.container
def test_the_health_check_is_about_the_service(container: Container) -> None:
    check = json.loads(run("podman", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", container.name).stdout)
    assert check[0] == "CMD"
    assert container.execute(*check[1:]).returncode == 0
    nobody_listens = ("env", f"FORECAST_PORT={free_port()}")
    assert container.execute(*nobody_listens, *check[1:]).returncode != 0


@pytest.mark.container
def test_the_page_is_in_the_image(container: Container) -> None:
    for path in ("/", "/web/page.js", "/web/vendor/uPlot.iife.min.js", "/web/examples/three_shops.csv"):
        assert httpx.get(container.url + path, timeout=30).status_code == 200, path


@pytest.mark.container
def test_torch_trains_in_the_image(container: Container) -> None:
    done = container.execute("python", "-c", TORCH_TRAINS)
    assert done.returncode == 0, done.stderr


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


def check_kernels_are_shipped(container: Container, level: str) -> None:
    """Train and forecast, with no kernel compiled: those of the CPU level are as they are in the image."""
    trained = container.post("/train", {"series": noisy_sine().tolist(), **QUICK})
    assert trained.status_code == 201, trained.text
    forecast = container.post("/forecast", {"model_id": trained.json()["model_id"], "horizon": 5})
    assert forecast.status_code == 200, forecast.text
    assert container.execute("ls", "/tmp/kernels").stdout.split() == [level]
    used, shipped = f"/tmp/kernels/{level}", f"{SHIPPED}/{level}"
    compared = container.execute("diff", "--recursive", "--brief", "--exclude=*.lock", shipped, used)
    assert compared.stdout == compared.stderr == ""
    assert "roll_out" in container.execute("find", used, "-name", "*.nbc").stdout


@pytest.mark.container
def test_the_kernels_of_the_image_are_those_of_this_processor(container: Container) -> None:
    assert set(container.execute("ls", SHIPPED).stdout.split()) == {level.name for level in cpu_levels()}
    check_kernels_are_shipped(container, supported_levels()[0].name)


@pytest.mark.container
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the other architectures have at most one level")
def test_no_kernel_is_compiled_on_another_processor(image: str, tmp_path: Path) -> None:
    if len(supported_levels()) < 2:
        pytest.skip("this processor has no AVX2")
    (tmp_path / "sitecustomize.py").write_text(OTHER_PROCESSOR)
    tmp_path.chmod(0o755)
    options = ("--volume", f"{tmp_path}:/other:ro", "--env", "PYTHONPATH=/other")
    with running(f"{image}-other", image, *options) as other:
        other.wait_until_healthy()
        name = "from llvmlite import binding; print(binding.get_host_cpu_name())"
        assert other.execute("python", "-c", name).stdout == "haswell\n"
        check_kernels_are_shipped(other, "x86-64-v3")


@pytest.mark.container
@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--memory=400m", "--memory-swap=400m"], "a server that trains needs 500 MB of memory"),
        (["--read-only", "--read-only-tmpfs=false"], "no folder can keep compiled kernels: set FORECAST_KERNEL_CACHE"),
    ],
    ids=["memory", "folders"],
)
def test_a_container_that_cannot_work_ends_with_one_line(image: str, options: list[str], line: str) -> None:
    command = ["podman", "run", "--rm", "--health-interval=disable", "--env", "FORECAST_ALLOW_NO_KEYS=true", *options]
    ended = run(*command, image, check=False)
    assert ended.returncode == 2, ended.stderr
    # Those of podman begin with a time.
    (told,) = [one for one in ended.stderr.splitlines() if not one.startswith('time="')]
    assert line in told


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


@pytest.mark.container
def test_a_trainer_in_one_container_trains_what_a_server_in_another_accepts(
    image: str, postgres: PostgresServer, s3: S3Server
) -> None:
    database = postgres.new_database()
    settings = {
        "DATABASE_URL": database,
        "STORE_URL": f"s3://{s3.bucket}/{image}",
        "S3_ENDPOINT": s3.endpoint,
        "S3_ALLOW_HTTP": "true",
        "S3_ACCESS_KEY_ID": s3.access_key_id,
        "S3_SECRET_ACCESS_KEY": s3.secret_access_key,
        "TRAINING_PROCESSES": "1",
    }
    state = [part for name, value in settings.items() for part in ("--env", f"FORECAST_{name}={value}")]
    server_state = [*state, "--env", "FORECAST_TRAINING_PROCESSES=0"]
    trains = ["--entrypoint", json.dumps(["python", "-m", "service", "trainer"]), "--hostname", "one"]
    with (
        running(f"{image}-server", image, *server_state) as server,
        running(f"{image}-trainer", image, *state, *trains) as trainer,
    ):
        server.wait_until_healthy()
        trained = server.post("/train?wait=100", {"series": noisy_sine().tolist(), **QUICK})
        assert trained.status_code == 201, trained.text
        forecast = server.post("/forecast", {"model_id": trained.json()["model_id"], "horizon": 5})
        assert forecast.status_code == 200, forecast.text
        # Known by the container's name, which it keeps when it is started again.
        assert "worker one-trainer is ready" in run("podman", "logs", trainer.name).stderr
        run("podman", "stop", "--time", str(KILLED_AFTER_SECONDS), trainer.name)
        assert trainer.state("ExitCode") == "0"
        run("podman", "start", trainer.name)
        again = server.post("/train?wait=100", {"series": noisy_sine(seed=1).tolist(), **QUICK})
        assert again.status_code == 201, again.text
