"""The floats of batch norms, local and connected layers, each in its place."""

import struct
from pathlib import Path

import numpy as np

from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.darknet.weights import (
    BatchNorm,
    ConnectedWeights,
    LocalWeights,
    read_weights,
    write_weights,
)


def test_every_float_is_in_its_place_in_plain_and_transposed_files(tmp_path: Path) -> None:
    file = tmp_path / "a.weights"
    sections = (
        "[batchnorm]\n[local]\nfilters=2\nsize=2\nstride=2\n"
        "[connected]\noutput=2\nbatch_normalize=1\n"
    )
    text = "[net]\nheight=2\nwidth=4\nchannels=2\n" + sections
    network = build_network(parse_cfg(text, "a.cfg"))
    # 3 x 2; 2 filters on 1 x 2 pixels, each 1 + 2 x 2 x 2; 2 outputs, each 4 + 4.
    count = 6 + 4 * 9 + 2 * 8
    assert network.parameters == count
    for version, matrix in (
        ((0, 2, 0), [[44, 45, 46, 47], [48, 49, 50, 51]]),
        ((1001, 0, 0), [[44, 46, 48, 50], [45, 47, 49, 51]]),
    ):
        header = struct.pack("<3iQ" if version[0] == 0 else "<3iI", *version, 0)
        file.write_bytes(header + np.arange(count, dtype="<f4").tobytes())
        norm, local, connected = read_weights(file, network).layers.values()
        assert isinstance(norm, BatchNorm)
        assert norm.scales.tolist() == [0, 1]
        assert norm.mean.tolist() == [2, 3]
        assert norm.variance.tolist() == [4, 5]
        assert isinstance(local, LocalWeights)
        assert local.biases.tolist() == [[[6, 7]], [[8, 9]]]
        assert local.weights.shape == (1, 2, 2, 2, 2, 2)
        assert local.weights[0, 0, 0].ravel().tolist() == list(range(10, 18))
        assert local.weights[0, 0, 1].ravel().tolist() == list(range(18, 26))
        assert local.weights[0, 1, 1].ravel().tolist() == list(range(34, 42))
        assert isinstance(connected, ConnectedWeights)
        assert connected.biases.tolist() == [42, 43]
        assert connected.weights.tolist() == matrix
        assert connected.batch_norm is not None
        assert connected.batch_norm.scales.tolist() == [52, 53]
        assert connected.batch_norm.mean.tolist() == [54, 55]
        assert connected.batch_norm.variance.tolist() == [56, 57]
        content = file.read_bytes()
        write_weights(file, network, read_weights(file, network))
        assert file.read_bytes() == content
