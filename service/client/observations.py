"""The operations on what a model has observed since its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from service.client import requests
from service.client.connection import Call, Connection, operation, path_of
from service.client.data.columns import Names
from service.client.data.item_ids import encoded_items
from service.client.records import AnswerForm, KnownModel

if TYPE_CHECKING:
    from service.client.frames import ObservationsFrame

Record = dict[str, Any]


class ObservedArguments(TypedDict, total=False):
    """The roles of the columns of observations; by default those of the training."""

    target: Names
    item: Names
    time: Any
    date_format: str | None


class ObservationOperations(KnownModel):
    """Adds actual values to a model's series, reads them back, and removes them."""

    connection: Connection

    @operation
    async def observe(
        self,
        data: Any,
        *,
        start_index: int | Mapping[str, int] | None = None,
        replace: bool = False,
        **of_data: Unpack[ObservedArguments],
    ) -> Record:
        """Append actual values to the model's series, from whose end it forecasts at once; return what was changed.

        data: of any type that `Client.train` takes; the times continue those of the model, or are earlier ones.
        start_index: of values without times, the row of the first one, the same for all items or by item; None: they
        follow the last value. replace: correct values that differ from those that are known; else ObservationConflict
        is raised, and nothing is changed. The result has the counts ``appended``, ``ignored``, ``replaced`` and
        ``gaps``, the ``end`` of the series, and ``warnings``.
        """
        call = requests.observe_call(self, data, start_index, replace, **of_data)
        return await self.connection.document(call, "appended")

    @operation
    async def observations(
        self, start: Any = None, end: Any = None, *, items: Any = None, limit: int | None = None
    ) -> ObservationsFrame:
        """Return the values since the training, or from ``start`` to ``end``, both included, as a frame.

        start, end: times, or row numbers without times. limit: most rows of each item, the latest; 1000 by default.
        """
        from service.client.frames import observations_frame

        query = (*_range(self, start, end, items), *([("limit", str(limit))] if limit is not None else ()))
        answer = await self.connection.document(Call("GET", _path(self), query), "items")
        return observations_frame(answer, AnswerForm(self.time_zone, self.ids))

    @operation
    async def monitoring(self, *, item: Any = None, target: str | None = None, limit: int | None = None) -> Record:
        """Return how good the forecasts since the training were, and whether the series has changed.

        The result has the ``status``, ``since``, ``reason``, the scores of ``windows`` and ``items``, and the
        ``recent`` forecasts of one ``item`` and ``target``, at most ``limit`` rows, 100 by default.
        """
        named = (self.ids.encoded if self.ids else encoded_items)(item)
        chosen = {"target": target, "limit": limit}
        query = [("item", one) for one in named] + [(key, str(one)) for key, one in chosen.items() if one is not None]
        call = Call("GET", path_of("models", self.id, "monitoring"), tuple(query))
        return await self.connection.document(call, "status")

    @operation
    async def remove_observations(self, start: Any, end: Any = None, *, items: Any = None) -> Record:
        """Remove observations from ``start`` to ``end``, both included; return what was changed."""
        return await self.connection.document(
            Call("DELETE", _path(self), tuple(_range(self, start, end, items))), "removed"
        )


def _path(model: KnownModel) -> str:
    return path_of("models", model.id, "observations")


def _range(model: KnownModel, start: Any, end: Any, items: Any) -> Sequence[tuple[str, str]]:
    named = (model.ids.encoded if model.ids else encoded_items)(items)
    return [*(("item", one) for one in named), *requests.csv_query({"start": start, "end": end})]
