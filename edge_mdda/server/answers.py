"""What the API answers, for its description and for who reads it; `edge_mdda.report` tells what the fields mean."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_mdda.judgement import Mode


class ProblemAnswer(BaseModel):
    """What every request is answered with that could not be done."""

    error: str = Field(description="Which kind of problem, in a word or two.")
    detail: str = Field(description="What was expected and what came.")


class Verdict(BaseModel):
    """What the classifier says of one image."""

    probabilities: dict[str, float] = Field(description="By class code, in the order of the model's outputs.")
    top: str


class Answer(BaseModel):
    """Which verdict is the answer, and whether to give one."""

    model_config = ConfigDict(populate_by_name=True)

    origin: Literal["raw", "purified"] = Field(alias="from")
    class_code: str = Field(alias="class")
    abstained: bool | None
    reasons: list[str]


class PredictionSet(BaseModel):
    """The classes that may be the true one."""

    coverage: float
    classes: list[str]


class Score(BaseModel):
    """A doubtful number and the threshold above which it is a flag."""

    score: float
    threshold: float
    flag: bool


class QualityWarning(BaseModel):
    """Something about how the image was taken that is worth taking it again."""

    name: str = Field(description="Of the measure.")
    message: str = Field(description="What to do.")


class QualityAnswer(BaseModel):
    """How well the image was taken."""

    measures: dict[str, float] = Field(description="Larger is worse.")
    warnings: list[QualityWarning]


class ModelName(BaseModel):
    """Which model it was."""

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Threads(BaseModel):
    """How many threads worked."""

    purify: int | None
    inference: int


class ReportAnswer(BaseModel):
    """The report of the command line, schema edge-mdda/report/1; `image` is null here. Fields may be added."""

    schema_name: Literal["edge-mdda/report/1"] = Field(alias="schema")
    image: str | None
    raw: Verdict
    purified: Verdict | None
    disagree: bool | None
    purify: Mode
    answer: Answer
    prediction_set: PredictionSet | None
    uncertainty: Score | None
    out_of_distribution: Score | None
    alarm: Score | None
    quality: QualityAnswer
    colour_constancy: bool
    samples: int | None = Field(description="Purifications that the purified probabilities are the mean of.")
    frames: int
    seed: int | None = Field(ge=0, lt=2**64, description="More than a double holds.")
    parameters: dict[str, Any] | None
    model: ModelName
    runtime: str
    threads: Threads
    milliseconds: dict[str, float | None]


class HealthAnswer(BaseModel):
    """How the service is."""

    live: Literal[True]
    ready: bool = Field(description="Whether the model is loaded.")


class Size(BaseModel):
    """Of an image, in pixels."""

    height: int
    width: int


class ModelAnswer(BaseModel):
    """Which model answers, and how unless a request asks for something else."""

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    labels: list[str] = Field(description="Class codes in the order of the model's outputs.")
    input: Size
    calibrated: bool
    runtime: str
    preset: str | None
    presets: dict[str, dict[str, Any]] = Field(description="Parameters of the purification by name.")
    parameters: dict[str, Any]
    purify: Mode
    coverage: float
    samples: int
    version: str = Field(description="Of edge_mdda.")
