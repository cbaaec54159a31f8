"""The client: ``from service.client import Client``. It needs the extra ``[client]``; docs/client.md tells more."""

try:
    from service.client.async_client import AsyncClient
    from service.client.async_job import AsyncJob
    from service.client.async_model import AsyncModel
    from service.client.client import Client
    from service.client.job import Job
    from service.client.model import Model
    from service.client.problems import Unreachable
except ModuleNotFoundError as error:
    if error.name and error.name.startswith("service"):
        raise
    raise ModuleNotFoundError(
        f"the client needs {error.name}: pip install '.[client]' in the service's folder", name=error.name
    ) from error

__all__ = ["AsyncClient", "AsyncJob", "AsyncModel", "Client", "Job", "Model", "Unreachable"]
