"""The plot of an inspection, of whatever numbers one may have."""

import io

import pytest
from PIL import Image

from tinyedge.export.inspection.plot import inspection_plot
from tinyedge.export.inspection.result import InspectedLayer, Inspection


@pytest.mark.parametrize("snr", [30.0, float("inf"), float("-inf")])
@pytest.mark.parametrize("weight_snr", [40.0, float("inf"), None])
def test_any_ratio_is_drawn(snr: float, weight_snr: float | None) -> None:
    layer = InspectedLayer(0, "convolutional", snr, 0.0, weight_snr, (1.0, 1.0), (), None, False)
    found = inspection_plot(Inspection("0" * 64, "0" * 64, 1, 100.0, None, (layer,)))
    with Image.open(io.BytesIO(found)) as image:
        assert image.format == "PNG"
