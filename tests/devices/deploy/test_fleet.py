"""Boards side by side."""

from collections.abc import Callable
from pathlib import Path

from tests.support.exports import Models
from tinyedge.devices.deploy.fleet import Reaching, deploy
from tinyedge.devices.deploy.inventory import BoardAddress
from tinyedge.devices.deploy.report import as_json


def test_what_nobody_expected_of_one_board_is_nothing_to_the_others(
    fashion_models: Models,
) -> None:
    def progress_of(host: str) -> Callable[..., Callable[..., None]]:
        def progress(stage: str, *_: object, **__: object) -> Callable[..., None]:
            if (host, stage) == ("one.invalid", "connecting"):
                raise ZeroDivisionError("three by nothing")
            return lambda *_: None

        return progress

    boards = [BoardAddress(f"{name}.invalid", "pi4") for name in ("one", "two")]
    one, two = deploy(
        [Path(fashion_models.int8_model)], boards, Reaching(timeout=20, progress_of=progress_of)
    )
    assert one.error == "unexpected ZeroDivisionError: three by nothing"
    assert isinstance(one.fault, ZeroDivisionError)
    assert two.fault is None
    assert two.error is not None
    assert "two.invalid" in two.error
    found = as_json([one, two])["boards"]
    assert isinstance(found, list)
    assert [board["error"] for board in found] == [one.error, two.error]
    assert all("fault" not in board for board in found)
