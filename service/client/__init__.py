"""The client: ``from service.client import Client``. It needs the extra ``[client]``; see docs/client.md."""

try:
    from service.client.client import AsyncClient, AsyncJob, AsyncModel, Client, Job, Model
    from service.client.problems import Unreachable
    from service.client.records import NameRecord
except ModuleNotFoundError as error:
    if error.name and error.name.startswith("service"):
        raise
    raise ModuleNotFoundError(
        f"the client needs {error.name}: pip install '.[client]' in the service's folder", name=error.name
    ) from error

__all__ = ["AsyncClient", "AsyncJob", "AsyncModel", "Client", "Job", "Model", "NameRecord", "Unreachable"]
