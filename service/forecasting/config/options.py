"""The options of a training, with their bounds and descriptions; None: chosen from the data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeGuard, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from service.forecasting.config.bounds import Bounds

Auto = Literal["auto"]
Cell = Literal["rnn", "lstm", "gru"]
Scaling = Literal["minmax", "standard", "robust", "none"]
TransformName = Literal["none", "log", "difference", "log_difference"]
Centering = Literal["last", "none"]
Missing = Literal["error", "interpolate", "forward_fill"]
MethodName = Literal[
    "naive",
    "seasonal_naive",
    "drift",
    "mean",
    "ridge",
    "exponential_smoothing",
    "theta",
    "harmonic",
    "long_seasonal_naive",
    "double_seasonal",
    "croston",
    "tsb",
]
Candidate = Literal["network", "prior"] | MethodName
BaselineMethod = Literal["naive", "seasonal_naive", "long_seasonal_naive", "drift", "mean"]
CalendarFeature = Literal["day_of_week", "hour_of_day", "time_of_year"]
Objective = Literal["chunks", "windows"]
Optimizer = Literal["adam", "adamw", "rmsprop", "sgd"]
Loss = Literal["mae", "mse", "huber"]
Point = Literal["mean", "median"]


def is_method(candidate: Candidate) -> TypeGuard[MethodName]:
    """Return whether a candidate is a simple method, not the trained network or the prior."""
    return candidate not in ("network", "prior")


class Options(BaseModel):
    """A group of options: unknown names are errors, and null is the same as leaving an option out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        may_be_omitted = {
            name
            for name, field in cls.model_fields.items()
            if not field.is_required() and type(None) not in get_args(field.annotation)
        }
        return {name: value for name, value in sent.items() if value is not None or name not in may_be_omitted}


def _rising(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] >= limits[1]:
        raise ValueError("the first number of scaling_range must be below the second")
    return limits


def _pair(sent: Any) -> Any:
    return tuple(sent) if isinstance(sent, list) else sent  # JSON has no tuples


def _once_each(names: list[Any]) -> list[Any]:
    return list(dict.fromkeys(names))


Count = Annotated[int, Field(ge=1)]
FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
_Limit = Annotated[float, Field(ge=-100, le=100)]
ScalingRange = Annotated[tuple[_Limit, _Limit], BeforeValidator(_pair), AfterValidator(_rising)]


class NetworkOptions(Options):
    """The recurrent network."""

    cell: Auto | Cell = Field("auto", description="Recurrent cell; `rnn` is the tanh cell.")
    hidden_size: Count | None = Field(None, description="Units in each layer.", examples=[32])
    num_layers: int | None = Field(None, ge=1, le=16, description="Layers on top of each other.", examples=[1])
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of each layer's outputs dropped in training.")


class TrainingOptions(Options):
    """How the network is trained."""

    objective: Objective = Field(
        "chunks",
        description="`chunks`: long sequences, a loss at every step after the context; forecasts keep the state. "
        "`windows`: a loss at the last step of each window, as in the tutorials; forecasts slide the window.",
    )
    epochs: Count | None = Field(
        None, description="Maximum passes over the data in the first fit; later fits make 0.3 as many.", examples=[20]
    )
    batch_size: Count | None = Field(
        None, description="Windows or sequences per step of the optimizer, at most all of them.", examples=[32]
    )
    learning_rate: float | None = Field(None, gt=0, le=10, description="Step size.", examples=[0.01])
    optimizer: Optimizer = Field("adam", description="Optimizer.")
    loss: Loss = Field("mae", description="Loss on scaled values; `mae` becomes `mse` where `point` is the mean.")
    clip_norm: float | None = Field(1.0, gt=0, description="Gradients are clipped to this norm; null: no clipping.")
    clip_value: float | None = Field(None, gt=0, description="Each gradient is clipped to ± this; null: no clipping.")
    truncate_bptt: Count | None = Field(None, description="Maximum steps that gradients flow back; null: all.")
    patience: Count | None = Field(None, description="Epochs without improvement before stopping.", examples=[20])
    ensemble_size: int | None = Field(None, ge=1, le=32, description="Networks that are averaged.", examples=[1])
    seed: int = Field(0, ge=0, lt=2**31, description="Same seed, data and machine: the same model to the bit.")


class ValidationFraction(Options):
    """Score on the last part of the series, by share."""

    fraction: float = Field(0.2, gt=0, lt=1, description="Share of each series that is only scored.", examples=[0.2])


class ValidationStart(Options):
    """Score on everything from a time on."""

    start: str | int = Field(description="First time that is only scored.", examples=["2021-01-01"])


class ValidationSteps(Options):
    """Score on the last steps of the series."""

    steps: int = Field(ge=1, description="Number of last values of each series that are only scored.", examples=[24])


def _validation_form(value: object) -> str:
    fields = value if isinstance(value, dict) else getattr(value, "__dict__", ())
    return next((f"<{key}>" for key in ("start", "steps") if key in fields), "<fraction>")


Validation = Annotated[
    Annotated[ValidationFraction, Tag("<fraction>")]
    | Annotated[ValidationStart, Tag("<start>")]
    | Annotated[ValidationSteps, Tag("<steps>")],
    Discriminator(_validation_form),
]


class TrainOptions(Options):
    """Everything about a training but the series itself."""

    horizon: Count | None = Field(
        None, description="Steps ahead that the model is made for; forecasts may use any other.", examples=[12]
    )
    candidates: Annotated[list[Candidate], AfterValidator(_once_each)] | None = Field(
        None,
        min_length=1,
        description="What is compared and blended: the `network` trained on the series, the `prior` trained on "
        "synthetic series, and simple methods. By default all that suit: "
        "`croston` and `tsb` only where demand is intermittent or lumpy, `naive`, `seasonal_naive` and `drift` only "
        "where it is not; only the network where an option of `network` or `training`, a context or a chunk length is "
        "given.",
        examples=[["network", "theta"]],
    )
    network: NetworkOptions = Field(default_factory=NetworkOptions, description="The recurrent network.")
    context_length: Count | None = Field(None, description="Steps that the network reads.", examples=[24])
    output_chunk_length: Count | None = Field(
        None, description="Steps that the network emits at once; 1 feeds each step back.", examples=[12]
    )
    season_length: Count | None = Field(None, description="Steps in a season; 1: none.", examples=[12])
    scaling: Auto | Scaling = Field(
        "auto",
        description="Fitted on the part before the split, per item. `minmax`: to `scaling_range`; `standard`: mean 0, "
        "deviation 1; `robust`: median 0, quartile range 1.",
    )
    scaling_range: ScalingRange | None = Field(
        None, description="What `minmax` maps the values before the split to; 0 to 1 by default.", examples=[[-1, 1]]
    )
    transform: Auto | TransformName = Field(
        "auto", description="Applied to the targets before scaling; `log_difference` works on returns."
    )
    centering: Auto | Centering = Field("auto", description="`last`: each window is relative to its last value.")
    missing: Auto | Missing = Field("auto", description="How missing values are handled.")
    calendar: Literal["auto", "none"] | Annotated[list[CalendarFeature], AfterValidator(_once_each)] = Field(
        "auto",
        description="Calendar features, used where there are timestamps. `auto`: those that the season does not cover "
        "and that make forecasts before the split better; `none`; or a list of them.",
    )
    point: Point | None = Field(
        None,
        description="What a point forecast is. `mean`: candidates are weighed by squared errors, and the default loss "
        "of the network is `mse`; `median`: by absolute errors. By default the mean where demand is intermittent or "
        "lumpy (most values are 0), else what the loss gives: the median for `mae` and `huber`, the mean for `mse`.",
        examples=["mean"],
    )
    nonnegative: Auto | bool = Field(
        "auto",
        description="Whether forecasts and intervals are never below 0. `auto`: where no known value is; later values "
        "below 0 are accepted, and lift it. true: the same as `minimum` 0, or the higher of both if both are given.",
    )
    minimum: FiniteNumber | None = Field(None, description="Lower bound of targets and forecasts.", examples=[0])
    maximum: FiniteNumber | None = Field(None, description="Upper bound of targets and forecasts.", examples=[100])
    training: TrainingOptions = Field(default_factory=TrainingOptions, description="How the network is trained.")
    validation: Validation = Field(
        default_factory=lambda: ValidationFraction(fraction=0.2),
        description="The part of the series that is only scored.",
        examples=[{"fraction": 0.2}],
    )
    refit: bool = Field(True, description="Fit the chosen recipe again on everything before serving it.")

    @field_validator("maximum")
    @classmethod
    def _above_the_lower_bound(cls, maximum: float | None, options: ValidationInfo) -> float | None:
        Bounds.of(options.data.get("nonnegative") is True, options.data.get("minimum"), maximum)
        return maximum
