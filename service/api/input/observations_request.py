"""Read the body of POST /models/{model_id}/observations: JSON, CSV, Excel or Parquet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastapi import Request
from pydantic import ValidationError

from service.api.input.body import CSV_TYPE, JSON_TYPE, PARQUET_TYPE, idempotency_of, media_type, parse_json, read_body
from service.api.input.items import SentSeries
from service.api.input.observed_rows import addition_of
from service.api.input.query import refuse_query, table_options
from service.api.input.series_input import read_panel, refuse_values_ahead
from service.api.input.table import read_any_table, table_series
from service.api.output.problems import invalid
from service.api.schemas.observations import ObservationsRequest
from service.api.schemas.series import ItemsSeries
from service.errors import InvalidSeries, Path
from service.tables.excel import XLSX_TYPE
from service.usecases.forecast import LoadedModel
from service.usecases.observations import Idempotency, change_meant, change_series
from service.usecases.resources import Resources


@dataclass(frozen=True)
class SentObservations:
    """The body of a request, which is read as the model's columns and times say."""

    request: Request
    kind: str
    body: bytes
    idempotency: Idempotency | None

    def apply(self, resources: Resources, tenant: str, model_id: str | None, name: str | None) -> dict[str, Any]:
        """Add the values to a tenant's model; return the answer. Raises what reading them and `change_series` raise."""

        def add(model: LoadedModel) -> dict[str, Any]:
            asked, warnings = self._asked(model)
            answer = add_observations(resources, tenant, model, asked, self.idempotency, self.idempotency is not None)
            return {**answer, "warnings": [*warnings, *answer["warnings"]]}

        return change_meant(resources, tenant, model_id, name, add)

    def _asked(self, model: LoadedModel) -> tuple[ObservationsRequest, tuple[str, ...]]:
        query = self.request.query_params
        if self.kind == JSON_TYPE:
            refuse_query(query)
            return parse_json(ObservationsRequest, self.body), ()
        options = table_options(query)
        table = read_any_table(self.request, self.kind, self.body, options.format)
        forecaster = model.forecaster
        named = {
            "targets": forecaster.targets,
            "covariates": forecaster.past_covariates,
            "future_covariates": forecaster.specification.future_covariates,
        }
        roles = dict(options.roles)
        if not any(roles[name] for name in named) and set(forecaster.targets) <= set(table.columns):
            roles |= {name: [one for one in names if one in table.columns] for name, names in named.items()}
        series = table_series(table, **roles)
        sent = {**options.options, "series": series.series}
        if isinstance(number := sent.get("start_index"), str) and number.isdigit():
            sent["start_index"] = int(number)
        if sent.get("replace") in ("true", "false"):
            sent["replace"] = sent["replace"] == "true"
        try:
            return ObservationsRequest.model_validate(sent), series.warnings
        except ValidationError as error:
            raise invalid(error, lambda: sent) from None


def add_observations(
    resources: Resources,
    tenant: str,
    model: LoadedModel,
    asked: ObservationsRequest,
    idempotency: Idempotency | None = None,
    keyed: bool | None = None,
) -> dict[str, Any]:
    """Read values as the rows of a model were read, and add them; return the answer. Raises as `change_series` does.

    keyed: whether the request has an idempotency key; None: it cannot have one.
    """
    refuse_values_ahead(asked.series, ("series",))
    forecaster, limits = model.forecaster, resources.limits
    reading = replace(forecaster.reading, resample=None, continues=True)
    if reading.known is None and (path := _path_of_times(asked.series)) is not None:
        raise InvalidSeries.at(path, "the model's series has no times: leave them out, and send start_index")
    read = read_panel(asked.series, reading=reading, model_targets=forecaster.targets, limits=limits)
    limits.check_panel(read.panel, ("series",))
    answer = change_series(
        resources,
        tenant,
        model,
        lambda kept: addition_of(forecaster, kept, read.panel, asked.start_index, asked.replace, keyed),
        idempotency,
    )
    return {**answer._asdict(), "warnings": [*read.warnings, *answer.warnings]}


def _path_of_times(series: SentSeries) -> Path | None:
    """Return where the first times of a series are; None if it has none."""
    if isinstance(series, ItemsSeries):
        rows: list[tuple[Path, object]] = [(("series", "items", row), item) for row, item in enumerate(series.items)]
    else:
        rows = [(("series",), series)]
    named = (
        (*path, name) for path, one in rows for name in ("timestamps", "start") if getattr(one, name, None) is not None
    )
    return next(named, None)


async def read_observations_request(request: Request) -> SentObservations:
    """Read a request. Raises MalformedBody, BodyTooLarge, UnsupportedContentType, Overloaded."""
    kind = media_type(request, JSON_TYPE, CSV_TYPE, PARQUET_TYPE, XLSX_TYPE)
    body = await read_body(request)
    key = idempotency_of(request, body)
    return SentObservations(request, kind, body, None if key is None else Idempotency(*key))
