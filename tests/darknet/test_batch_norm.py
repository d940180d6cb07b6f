"""Which batch norm a .weights is computed with, and when that is said to matter."""

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.support.naive import forward, random_weights
from tinyedge.darknet.batch_norm import difference
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network, read_network
from tinyedge.darknet.weights import (
    BatchNorm,
    ConnectedWeights,
    ConvolutionalWeights,
    Header,
    LayerParameters,
    Weights,
    read_weights,
    write_weights,
)
from tinyedge.errors import TinyedgeWarning, WeightsError
from tinyedge.modelcard import BatchNormFormula
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

CFG = (
    "[net]\nheight=2\nwidth=2\nchannels=1\n"
    "[convolutional]\nbatch_normalize=1\nfilters=2\nactivation=leaky\n"
    "[batchnorm]\n"
    "[connected]\nbatch_normalize=1\noutput=2\nactivation=linear\n"
)
# Where the variances of the three layers begin among the floats.
VARIANCES = (6, 14, 16 + 2 + 2 * 8 + 4)
FLOATS = VARIANCES[-1] + 2


@pytest.fixture
def network() -> Network:
    return build_network(parse_cfg(CFG, "a.cfg"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.weights"


def write(file: Path, floats: list[float], revision: int) -> None:
    file.write_bytes(struct.pack("<3iQ", 0, 2, revision, 0) + np.array(floats, "<f4").tobytes())


def norms(weights: Weights) -> list[BatchNorm]:
    found = []
    for parameters in weights.layers.values():
        if isinstance(parameters, BatchNorm):
            found.append(parameters)
        else:
            assert isinstance(parameters, ConvolutionalWeights | ConnectedWeights)
            assert parameters.batch_norm is not None
            found.append(parameters.batch_norm)
    return found


@pytest.mark.parametrize(
    ("revision", "hint"),
    [(-1, "outside"), (0, "outside"), (4, "outside"), (5, "inside"), (6, "inside")],
)
def test_the_headers_revision_hints_at_it_and_the_user_decides(
    revision: int, hint: str, file: Path, network: Network
) -> None:
    write(file, [1.0] * FLOATS, revision)
    assert read_weights(file, network).batch_norm == hint
    assert read_weights(file, network, batch_norm="inside").batch_norm == "inside"
    assert read_weights(file, network, batch_norm="outside").batch_norm == "outside"


@pytest.mark.filterwarnings("ignore:.*variances so small:tinyedge.errors.TinyedgeWarning")
@pytest.mark.parametrize("position", VARIANCES)
def test_a_negative_variance_is_a_number_as_far_as_the_epsilon_reaches(
    position: int, file: Path, network: Network
) -> None:
    floats = [1.0] * FLOATS
    layer = VARIANCES.index(position)
    place = f"layer {layer} "
    for value in (-9.9e-6, -1e-7):
        floats[position + 1] = value
        write(file, floats, 5)
        assert norms(read_weights(file, network))[layer].variance[1] == np.float32(value)
        write(file, floats, 0)
        with pytest.raises(WeightsError) as caught:
            read_weights(file, network)
        assert f"{file}: {place}" in str(caught.value)
        assert "value 1 of its 2 rolling variances is" in str(caught.value)
        assert str(caught.value).endswith("whose batch norm takes it: --batch-norm inside")
        assert read_weights(file, network, batch_norm="inside")
    for value in (-1e-5, -1.1e-5, -1.0):
        floats[position + 1] = value
        write(file, floats, 5)
        with pytest.raises(WeightsError) as caught:
            read_weights(file, network)
        assert f"{file}: {place}" in str(caught.value)
        assert "value 1 of its 2 rolling variances is" in str(caught.value)
        assert str(caught.value).endswith("was trained with another .cfg")


def test_it_is_said_where_the_engines_differ_and_by_how_much(file: Path, network: Network) -> None:
    floats = [1.0] * FLOATS
    # sqrt(1e-5) / sqrt(1e-5 + 1e-5) is 0.7071, sqrt(1e-5) / (sqrt(1e-5) + 1e-6) is 0.9997.
    floats[VARIANCES[0] : VARIANCES[0] + 2] = [1e-5, 1e-5]
    # Half of the squared output: 0.2926 / sqrt(2).
    floats[VARIANCES[2]] = 1e-5
    for revision, asked, said in (
        (5, None, "This is 'inside', as revision 5 in its header suggests"),
        (0, None, "This is 'outside', as revision 0 in its header suggests"),
        (5, "outside", "This is 'outside', as asked for"),
    ):
        write(file, floats, revision)
        with pytest.warns(TinyedgeWarning) as caught:
            read_weights(file, network, batch_norm=asked)
        (message,) = (str(one.message) for one in caught)
        assert message.startswith(f"{file}: variances so small")
        assert "2 layers changes with it, 29 % in layer 0 (a.cfg:5), 21 % in layer 2 " in message
        other = "outside" if "'inside'" in said else "inside"
        assert f"{said}; if its answers are wrong, use --batch-norm {other}" in message


def test_few_layers_are_shown_of_many(tmp_path: Path) -> None:
    section = "[conv]\nbatch_normalize=1\nfilters=1\nactivation=linear\n"
    net = "[net]\nheight=1\nwidth=1\nchannels=1\n"
    network = build_network(parse_cfg(net + section * 9, "a"))
    # Bias, scale, mean, variance and kernel; the last layers differ most.
    floats = [number for layer in range(9) for number in (1, 1, 1, 10.0 ** -(2 + layer / 2), 1)]
    write(tmp_path / "a.weights", floats, 5)
    shown = r"layer 8 .*, .* layer 7 .*, .* layer 6 \S* and more\."
    with pytest.warns(TinyedgeWarning, match=shown):
        read_weights(tmp_path / "a.weights", network)


@pytest.mark.parametrize(
    ("scale", "mean", "variance"),
    [
        (1, 1, 1e-2),  # the smallest of the published classifiers
        (1, 0, 0),  # a constant that is the mean is 0 by either
        (1, 1e-12, 0),
        (1e-7, 1, 1e-6),  # counts for nothing beside its neighbour
        (0, 1, 1e-6),
    ],
)
def test_nothing_is_said_where_the_two_differ_by_rounding(
    scale: float, mean: float, variance: float, file: Path, network: Network
) -> None:
    floats = [1.0] * FLOATS
    for position in VARIANCES:
        floats[position], floats[position - 4], floats[position - 2] = variance, scale, mean
    write(file, floats, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_weights(file, network)


@pytest.mark.parametrize("variance", [0, 1e-20])
def test_a_constant_that_the_mean_does_not_know_of_is_said(
    variance: float, file: Path, network: Network
) -> None:
    """A channel without a kernel gives 0, however far from 0 its mean stands."""
    floats = [1.0] * FLOATS
    floats[VARIANCES[0]], floats[VARIANCES[0] - 2] = variance, 1e-3
    floats[VARIANCES[0] + 2] = 0  # the kernel
    write(file, floats, 5)
    # 1e-3 / 1e-6 beside 1e-3 / sqrt(1e-5), of two channels.
    share = (1e-3 / 1e-6 - 1e-3 / 1e-5**0.5) / 2**0.5
    assert share > 700
    with pytest.warns(TinyedgeWarning, match=r"1 layer changes with it, over 10,000 % in layer 0"):
        read_weights(file, network)
    floats[VARIANCES[0] - 2] = 1e-5
    write(file, floats, 5)
    with pytest.warns(TinyedgeWarning, match=r"changes with it, 70[0-9] % in layer 0"):
        read_weights(file, network)
    pixels = np.ones(network.input, np.float32)
    answers = [
        forward(network, read(file, network, formula), pixels) for formula in ("inside", "outside")
    ]
    assert np.abs(answers[0] - answers[1]).max() > 0.1


def read(file: Path, network: Network, formula: BatchNormFormula) -> Weights:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_weights(file, network, batch_norm=formula)


def test_of_a_layer_whose_scales_are_all_0_the_formulas_say_the_same() -> None:
    scales, mean, variance = np.array([[0, 0], [1, -2], [0, 4]], np.float32)
    assert difference(scales, mean, variance) == 0


def test_a_batch_norm_asked_for_where_there_is_none_is_said(tmp_path: Path) -> None:
    net = "[net]\nheight=1\nwidth=1\nchannels=1\n[conv]\nfilters=1\nactivation=linear\n"
    network = build_network(parse_cfg(net, "a.cfg"))
    write(tmp_path / "a.weights", [1, 1], 5)
    for formula in ("inside", "outside"):
        with pytest.warns(
            TinyedgeWarning, match=f"^--batch-norm {formula} changes nothing: a.cfg has no batch"
        ):
            read_weights(tmp_path / "a.weights", network, batch_norm=formula)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_weights(tmp_path / "a.weights", network)


def test_nothing_is_said_of_the_built_in_classifier() -> None:
    files = locate(MODELS["fashion"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for formula in ("inside", "outside"):
            read_weights(files.weights, read_network(files.cfg), batch_norm=formula)


@pytest.mark.real_data
def test_nothing_is_said_of_published_classifiers(cache: Path) -> None:
    network = read_network(locate(MODELS["tiny"]).cfg)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_weights(cache / "tiny" / "tiny.weights", network, batch_norm="inside")


@pytest.mark.parametrize("version", [(0, 1, 0), (0, 2, 5)])
def test_a_batchnorm_layer_of_alexeyabs_engine_begins_with_its_biases(
    version: tuple[int, int, int], file: Path, network: Network
) -> None:
    floats = np.arange(1, FLOATS + 3, dtype="<f4")
    head = struct.pack("<3iQ" if version[1] == 2 else "<3iI", *version, 0)
    file.write_bytes(head + floats.tobytes())
    weights = read_weights(file, network)
    norm = weights.layers[1]
    assert isinstance(norm, BatchNorm)
    assert norm.biases is not None
    assert norm.biases.tolist() == [11, 12]
    assert norm.scales.tolist() == [13, 14]
    assert norm.mean.tolist() == [15, 16]
    assert norm.variance.tolist() == [17, 18]
    connected = weights.layers[2]
    assert isinstance(connected, ConnectedWeights)
    assert connected.biases.tolist() == [19, 20]
    content = file.read_bytes()
    write_weights(file, network, weights)
    assert file.read_bytes() == content
    # Neither count: told as for any other file.
    file.write_bytes(content + floats[:1].tobytes())
    with pytest.raises(WeightsError, match="3 floats are left over behind the last layer"):
        read_weights(file, network)


def test_a_file_of_biases_saved_on_a_32_bit_system(file: Path, network: Network) -> None:
    floats = np.arange(1, FLOATS + 3, dtype="<f4")
    file.write_bytes(struct.pack("<3iI", 0, 2, 5, 9) + floats.tobytes())
    weights = read_weights(file, network)
    assert weights.header == Header(0, 2, 5, 9, size_t=4)
    assert weights.layers[0].biases.tolist() == [1, 2]


@pytest.mark.long
def test_the_exported_network_computes_what_it_says() -> None:
    """Each formula against the plain one in `tests.support.naive`, all kinds of layers with one."""
    from tests.support.float_answers import float_answers

    network = build_network(
        parse_cfg(CFG.replace("filters=2", "filters=8\nsize=3\npad=1"), "a.cfg")
    )
    rng = np.random.default_rng(3)
    pixels = rng.random(network.input, dtype=np.float32)
    layers = {
        index: small(parameters, rng)
        for index, parameters in random_weights(network, seed=3).layers.items()
    }
    answers = []
    for formula in ("inside", "outside"):
        weights = Weights(Header(), layers, formula)
        expected = forward(network, weights, pixels)
        found = float_answers(network, weights, pixels)
        largest = np.abs(expected).max()
        np.testing.assert_allclose(found.keras, expected, rtol=1e-4, atol=1e-4 * largest)
        np.testing.assert_allclose(found.tflite, expected, rtol=1e-4, atol=1e-4 * largest)
        answers.append(expected)
    assert np.abs(answers[0] - answers[1]).max() > 0.1 * np.abs(answers[0]).max()


def small(parameters: LayerParameters, rng: np.random.Generator) -> LayerParameters:
    """The parameters with variances from 1e-8 up, and a [batchnorm] with biases.

    Kernels are such that variances are what they give.
    """
    match parameters:
        case BatchNorm(scales, mean, variance):
            smaller = (variance * 10 ** rng.uniform(-6, -4, len(scales))).astype(np.float32)
            biases = rng.normal(0, 1, len(scales)).astype(np.float32)
            return BatchNorm(scales, mean, smaller, biases)
        case ConvolutionalWeights(biases, weights, BatchNorm() as norm) | ConnectedWeights(
            biases, weights, BatchNorm() as norm
        ):
            deviation = 10 ** rng.uniform(-3.5, -2, len(biases))
            kernel = (weights.T * deviation).T.astype(np.float32)
            mean, variance = norm.mean * deviation, norm.variance * deviation**2
            norm = BatchNorm(norm.scales, mean.astype(np.float32), variance.astype(np.float32))
            return type(parameters)(biases, kernel, norm)
    return parameters
