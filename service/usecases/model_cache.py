"""An LRU cache of loaded models, bounded by the memory they use."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from service.errors import InvalidModelFile, ModelFileCorrupt
from service.storage.files.model_codec import load_forecaster
from service.storage.files.store import ModelStore
from service.usecases.serving_engine import ServingEngine

if TYPE_CHECKING:
    from service.forecasting.forecaster.forecaster import Forecaster
    from service.usecases.model_series import ObservedSeries


CONFIRMED_SECONDS = 5.0
"""Upper bound, in seconds, on how long a model that another server has deleted may still be served."""


# While a model is served, it is confirmed again after the first of these; a failed attempt is retried after the second.
_REFRESH_SECONDS = 3.0
_REFRESH_AGAIN_SECONDS = 0.5

_TRUSTED_SECONDS = 1.0
_NAMES = 10_000

# Measured as the memory growth of a server that loads 1,000 models of 11 to 103 kB: the arrays, the values derived
# from them once, and the objects around them.
_ROOM_PER_FILE = 4
_ROOM_PER_MODEL = 40_000


_Key = tuple[str, str]
"""A tenant, and the ID or name of one of its models."""


class CacheMetrics(NamedTuple):
    """Hits and misses of the cache since its start, and its current contents; sizes in bytes."""

    hits: int
    misses: int
    models: int
    bytes: int
    max_bytes: int


class CachedModel(NamedTuple):
    """A loaded model, and its series as far as this server knows it; None: it was not needed yet."""

    forecaster: Forecaster
    observed: ObservedSeries | None = None


@dataclass
class _Loaded:
    model: CachedModel
    size: int
    revision: int = 0
    confirmed_at: float = 0.0
    refresh_at: float = 0.0

    @property
    def total(self) -> int:
        """The approximate memory in bytes, with that of the series."""
        return self.size + (self.model.observed.size if self.model.observed else 0)

    @property
    def is_current(self) -> bool:
        """Whether the series is as recent as the registry has reported."""
        observed = self.model.observed
        return (observed.revision if observed else 0) >= self.revision

    def report(self, revision: int) -> None:
        """Take over what the registry has reported; the model is confirmed if its series is not older."""
        self.revision = max(self.revision, revision)
        if self.is_current:
            self.confirm()

    def confirm(self) -> None:
        """Mark the model as confirmed now."""
        self.confirmed_at = time.monotonic()
        self.refresh_at = self.confirmed_at + _REFRESH_SECONDS


def room_of(data: bytes) -> int:
    """Return the approximate memory, in bytes, of the model in a file."""
    return _ROOM_PER_FILE * len(data) + _ROOM_PER_MODEL


class ForecasterCache:
    """A thread-safe cache; two threads that miss the same model at once both load it, which is harmless.

    Models and names are stored under their tenant: no other tenant finds them.
    """

    def __init__(self, store: ModelStore, max_bytes: int, engine: ServingEngine) -> None:
        self._store, self._engine = store, engine
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._loaded: OrderedDict[_Key, _Loaded] = OrderedDict()
        self._bytes = 0
        self._named: OrderedDict[_Key, str] = OrderedDict()
        self._hits = self._misses = 0

    def metrics(self) -> CacheMetrics:
        """Return the hits and misses so far, and the current contents."""
        with self._lock:
            return CacheMetrics(self._hits, self._misses, len(self._loaded), self._bytes, self._max_bytes)

    def confirmed(self, tenant: str, model_id: str) -> tuple[CachedModel | None, bool]:
        """Return the tenant's model if it is loaded and was recently confirmed by the registry, else None.

        The second value is True if the caller should confirm the model again; at most one caller gets True every
        `_REFRESH_AGAIN_SECONDS`, the others are served meanwhile.
        """
        with self._lock:
            loaded = self._loaded.get((tenant, model_id))
            now = time.monotonic()
            if loaded is None or now - loaded.confirmed_at > CONFIRMED_SECONDS:
                return None, False
            self._hits += 1
            self._loaded.move_to_end((tenant, model_id))
            is_due = now >= loaded.refresh_at
            if is_due:
                loaded.refresh_at = now + _REFRESH_AGAIN_SECONDS
            return loaded.model, is_due

    def remembered(self, tenant: str, model_id: str | None, name: str | None) -> tuple[str, CachedModel] | None:
        """Return a tenant's loaded model by its ID or its last requested name, while the registry is unavailable.

        It counts as confirmed for a short time, so that not every request waits for a database that does not answer.
        """
        with self._lock:
            found = model_id or self._named.get((tenant, name or ""))
            loaded = self._loaded.get((tenant, found or ""))
            if found is None or loaded is None or not loaded.is_current:
                return None
            self._hits += 1
            loaded.confirmed_at = time.monotonic() - CONFIRMED_SECONDS + _TRUSTED_SECONDS
            loaded.refresh_at = loaded.confirmed_at + CONFIRMED_SECONDS
            return found, loaded.model

    def get(self, tenant: str, model_id: str, attempt: int, name: str | None = None, revision: int = 0) -> CachedModel:
        """Return a model that the registry has just reported as the tenant's and ready, made by this attempt.

        It is loaded from the store if it is not cached.

        name: the name by which it was requested. revision: that of its series in the registry: the model is confirmed
        once `observe` has brought it. Raises ModelNotFound, and ModelFileCorrupt if the stored file is damaged.
        """
        key = tenant, model_id
        with self._lock:
            if name is not None:
                self._named[tenant, name] = model_id
                self._named.move_to_end((tenant, name))
                if len(self._named) > _NAMES:
                    self._named.popitem(last=False)
            if key in self._loaded:
                self._hits += 1
                self._loaded.move_to_end(key)
                self._loaded[key].report(revision)
                return self._loaded[key].model
            self._misses += 1
        data = self._store.get_model(model_id, attempt)
        try:
            forecaster = replace(load_forecaster(data), engine=self._engine.get())
        except InvalidModelFile as error:
            detail = f"the stored file of model {model_id} is damaged: {error.detail}; train or import it again"
            raise ModelFileCorrupt(detail) from error
        size = room_of(data)
        with self._lock:
            self._drop(key)
            self._loaded[key] = loaded = _Loaded(CachedModel(forecaster), size)
            loaded.report(revision)
            self._bytes += size
            self._shrink()
        return loaded.model

    def observe(self, tenant: str, model_id: str, forecaster: Forecaster, observed: ObservedSeries) -> CachedModel:
        """Keep a model's series, unless a later revision is known already; return the model with the later one."""
        key = tenant, model_id
        with self._lock:
            loaded = self._loaded.get(key)
            if loaded is None or loaded.model.forecaster is not forecaster:
                return CachedModel(forecaster, observed)
            known = loaded.model.observed
            if known is None or known.revision < observed.revision or known.ends is None:
                self._bytes -= loaded.total
                loaded.model = CachedModel(forecaster, observed)
                self._bytes += loaded.total
                self._shrink()
            loaded.report(observed.revision)
            return loaded.model

    def _shrink(self) -> None:
        while self._bytes > self._max_bytes and len(self._loaded) > 1:
            self._drop(next(iter(self._loaded)))

    @property
    def remembers_names(self) -> bool:
        """Whether any model was requested by its name."""
        return bool(self._named)

    def rename(self, tenant: str, name: str, model_id: str | None) -> None:
        """Note what a remembered name means now; None: nothing."""
        with self._lock:
            if (tenant, name) in self._named:
                if model_id is None:
                    del self._named[tenant, name]
                else:
                    self._named[tenant, name] = model_id

    def forget(self, tenant: str, model_id: str) -> None:
        """Remove a tenant's deleted model from the cache."""
        with self._lock:
            self._drop((tenant, model_id))

    def _drop(self, key: _Key) -> None:
        if key in self._loaded:
            self._bytes -= self._loaded.pop(key).total
