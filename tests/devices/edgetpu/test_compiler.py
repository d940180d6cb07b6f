"""The log of edgetpu_compiler, in the form its users published, and what is made of it."""

from pathlib import Path

import pytest

from tests.support.tflite_writer import Op, T, write_model
from tinyedge.devices.edgetpu.compiler import (
    MAPPED,
    CompilerRow,
    Difference,
    differences,
    parse_log,
)
from tinyedge.devices.edgetpu.partition import partition
from tinyedge.devices.edgetpu.rules import edgetpu_rules
from tinyedge.tflite.model import parse_tflite

_LOGS = Path(__file__).parents[2] / "data" / "edgetpu_logs"


def _log(name: str) -> str:
    return (_LOGS / name).read_text(encoding="utf-8")


def test_a_log_where_everything_maps() -> None:
    log = parse_log(_log("all_mapped_16.log"))
    assert (log.version, log.failure, log.whole) == ("16.0.384591198", None, True)
    assert (log.on_tpu, log.on_cpu, log.subgraphs) == (39, 0, 1)
    assert (log.cached_bytes, log.streamed_bytes) == (round(1.41 * 2**20), 0)
    assert log.rows[0] == CompilerRow("MEAN", 1, MAPPED)


def test_a_log_where_most_stays_on_the_cpu() -> None:
    log = parse_log(_log("leaky_16.log"))
    assert (log.failure, log.whole, log.on_tpu, log.on_cpu) == (None, False, 2, 19)
    assert log.cached_bytes == 3 * 2**10
    assert log.rows[0] == CompilerRow("LEAKY_RELU", 8, "Operation not supported")


def test_every_status_is_read_and_only_one_is_mapped() -> None:
    log = parse_log(_log("every_status_15.log"))
    assert (log.version, log.on_tpu, log.on_cpu) == ("15.0.340273435", 12, 21)
    assert log.streamed_bytes == round(3.23 * 2**20)
    assert {row.status for row in log.rows} == {
        "Mapped to Edge TPU",
        "More than one subgraph is not supported",
        "Operation not supported",
        "Operation version not supported",
        "Operation is working on an unsupported data type",
        "Operation is otherwise supported, but not mapped due to some unspecified limitation",
        "Tensor has unsupported rank (up to 3 innermost dimensions mapped)",
        "Filter, bias, or other param is not constant at compile-time",
        "A status that no compiler is known to print",
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("unparseable_16.log", "builtin opcode 'CONV_2D' version '6'"),
        ("not_quantized_15.log", "Model not quantized"),
        ("dynamic_16.log", "dynamic-sized tensors"),
        ("internal_error_14.log", "Internal compiler error. Aborting!"),
    ],
)
@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_failure_is_one_whatever_the_exit_code(name: str, said: str, exit_code: int) -> None:
    log = parse_log(_log(name), exit_code=exit_code)
    assert log.failure is not None
    assert said in log.failure
    assert (log.rows, log.whole) == ((), False)


def test_a_process_that_is_killed_or_silent_failed() -> None:
    log = parse_log(_log("all_mapped_16.log"), exit_code=-11)
    assert (log.failure, log.whole) == ("killed by signal 11", False)
    assert parse_log("").failure == "it said nothing; exit code 0"
    assert parse_log("usage: this\n\n", exit_code=3).failure == "usage: this; exit code 3"


def test_the_prediction_is_held_against_the_log_operator_by_operator() -> None:
    relu, tanh = (Op(name, [T((1, 8))], [T((1, 8))]) for name in ("RELU", "TANH"))
    sine = Op("SIN", [0], [T((1, 8))])
    mine = Op("mine", [0], [T((1, 8))])
    model = parse_tflite(write_model(relu, tanh, sine, relu, mine))
    predicted = partition(model, edgetpu_rules())
    rows = ("RELU", "RELU", "TANH", "SIN", "CUSTOM")
    table = "\n".join(
        ["Model compiled successfully in 1 ms.", *(f"{name} 1 {{}}" for name in rows)]
    )
    off = "Operation not supported"
    as_predicted = parse_log(table.format(MAPPED, off, MAPPED, off, off))
    assert differences(predicted, as_predicted) == ()
    otherwise = parse_log(table.format(MAPPED, MAPPED, off, off, off))
    assert differences(predicted, otherwise) == (
        Difference("RELU", predicted=1, mapped=2),
        Difference("TANH", predicted=1, mapped=0),
    )


@pytest.mark.parametrize("amount", ["1.4.1MiB", f"{'9' * 400}GiB", "MiB", ".", "-1B", "1.MiB"])
def test_an_amount_of_no_sense_is_none(amount: str) -> None:
    line = f"On-chip memory used for caching model parameters: {amount}"
    assert parse_log(line).cached_bytes is None
    assert parse_log(f"Number of Edge TPU subgraphs: {'9' * 5000}").subgraphs is None
