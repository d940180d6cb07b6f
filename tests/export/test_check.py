"""The check that ends an export: what is far is refused, what is poor is warned of, all is told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from click.testing import CliRunner, Result
from PIL import Image

from tests.support.commands import run_in_process
from tests.support.toy import CLASSES, PHOTOS, Toy, write_toy
from tinyedge.cli import main
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import ConvolutionalWeights, Header, Weights, write_weights
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.errors import ExportError
from tinyedge.export.cards import float_card
from tinyedge.export.check import FileCheck, noise_db
from tinyedge.export.pipeline import Converted, Prepared, convert, finish, prepare
from tinyedge.export.request import ExportRequest
from tinyedge.modelcard import Check, read_card
from tinyedge.progress import no_progress
from tinyedge.zoo.models import SourceFiles

CONV = "[convolutional]\nfilters={}\nsize=1\nactivation={}\n"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return write_toy(tmp_path_factory.mktemp("toy"))


def calibrated(toy: Toy) -> tuple[object, ...]:
    return (*toy.source(), "--calib", toy.photos, "--count", PHOTOS)


def export(*words: object) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, words)])


def check_of(path: Path) -> Check:
    card = read_card(path)
    assert card is not None
    assert card.check is not None
    return card.check


def scores(path: Path, photos: Path) -> Any:
    model = Classifier(path)
    return np.array([model.logits(model.preprocess(p)) for p in sorted(photos.rglob("*.png"))])


class TestNoise:
    """The ratio by hand."""

    def test_the_variance_over_the_error(self) -> None:
        reference = np.array([[0.0, 10.0], [10.0, 0.0]])
        # A variance of 25 and errors of 0.5: 10 lg 100; a step of 0 leaves the variance alone.
        assert noise_db(reference, reference + 0.5, 0.0) == 20.0

    def test_what_is_the_same_for_all_images_is_no_signal(self) -> None:
        reference = np.array([[1000.0, -990.0], [1010.0, -1000.0]])
        assert noise_db(reference, reference + 0.5, 0.0) == 20.0

    def test_equal_scores_have_none(self) -> None:
        assert noise_db(np.ones((3, 2)), np.ones((3, 2)), 0.1) is None

    def test_one_step_beside_a_constant_is_no_noise(self) -> None:
        reference = np.ones((1, 1))
        # 8 steps over one: 20 lg 8.
        assert noise_db(reference, reference + 0.1, 0.1) == 18.1


@pytest.fixture(scope="module")
def printed(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """An export's folder, and what --json printed."""
    out = tmp_path_factory.mktemp("out")
    words = (*calibrated(toy), "--device", "coral-usb", "--json", "-o", out)
    return out, json.loads(run_in_process("export", *words).stdout)


class TestTold:
    """The same numbers in the cards, in --json and on the screen; and they are right."""

    def test_json_has_what_the_cards_have(self, printed: tuple[Path, Any]) -> None:
        out, found = printed
        kinds = ("float", "int8", "coral")
        assert found["check"] == {k: check_of(out / f"toy_{k}.tflite")._asdict() for k in kinds}

    def test_float_is_keras(self, printed: tuple[Path, Any]) -> None:
        assert printed[1]["check"]["float"] == {
            "against": "keras",
            "images": 4,
            "source": "photos",
            "agreement": 4,
            "kl": 0.0,
            "noise_db": None,
            "worst_layer": None,
        }

    @pytest.mark.parametrize(("kind", "against"), [("int8", "float"), ("coral", "int8")])
    def test_the_numbers_are_those_of_the_files(
        self, toy: Toy, printed: tuple[Path, Any], kind: str, against: str
    ) -> None:
        out, found = printed
        told = found["check"][kind]
        p, q = (scores(out / f"toy_{each}.tflite", toy.photos) for each in (against, kind))
        log_p, log_q = (each - np.log(np.exp(each).sum(axis=1, keepdims=True)) for each in (p, q))
        divergence = np.sum(np.exp(log_p) * (log_p - log_q), axis=1).mean()
        assert (told["against"], told["images"], told["source"]) == (against, PHOTOS, "photos")
        assert told["agreement"] == np.count_nonzero(p.argmax(axis=1) == q.argmax(axis=1))
        assert told["kl"] == pytest.approx(divergence, abs=1e-6)

    def test_text_is_a_line_a_file(self, toy: Toy, tmp_path: Path) -> None:
        lines = run_in_process("export", *calibrated(toy), "-o", tmp_path).stdout.splitlines()
        found = check_of(tmp_path / "toy_int8.tflite")
        told = lines[-6:-4]
        assert told == [
            "float against keras: 4 of 4 photos agree, equal but for float's rounding",
            f"int8 against float: {found.agreement} of 6 photos agree, KL {found.kl:g} nats,"
            f" SNR {found.noise_db:g} dB",
        ]
        assert max(map(len, told)) <= 80

    def test_without_photos_images_are_made(self, toy: Toy, tmp_path: Path) -> None:
        words = (*toy.source(), "--float-only", "--json", "-o", tmp_path)
        found = json.loads(run_in_process("export", *words).stdout)["check"]
        assert list(found) == ["float"]
        assert (found["float"]["source"], found["float"]["agreement"]) == ("synthesized", 4)

    @pytest.mark.long
    def test_calib_none_checks_on_the_images_it_made(self, toy: Toy, tmp_path: Path) -> None:
        words = (*toy.source(), "--calib", "none", "--json", "-o", tmp_path)
        found = json.loads(run_in_process("export", *words).stdout)["check"]["int8"]
        assert (found["source"], found["images"]) == ("synthesized", 50)


@pytest.mark.long
class TestHeads:
    """What has no class to agree on, or one."""

    def test_features(self, toy: Toy, tmp_path: Path) -> None:
        cfg = tmp_path / "features.cfg"
        text = toy.cfg.read_text()
        cfg.write_text(text[: text.index("[avgpool]")])
        words = (cfg, "--weights", toy.weights, "--calib", toy.photos, "--json")
        found = json.loads(run_in_process("export", *words, "-o", tmp_path).stdout)["check"]
        assert [found[kind]["agreement"] for kind in ("float", "int8")] == [None, None]
        assert found["int8"]["kl"] is None
        assert found["int8"]["noise_db"] > 25

    def test_one_output(self, tmp_path: Path) -> None:
        net = Net(tmp_path, CONV.format(1, "logistic") + "[avgpool]\n")
        kernel = net.kernel(1, 3)
        net.write([kernel - kernel.mean()])  # of which grey is one half
        printed = json.loads(run_in_process("export", *net.words(), "--json").stdout)
        found = printed["check"]["int8"]
        # A class of its own above a probability of one half.
        float_says, int8_says = (
            scores(net.out / f"net_{kind}.tflite", net.photos) > 0.5 for kind in ("float", "int8")
        )
        assert 0 < np.count_nonzero(float_says) < found["images"]
        assert found["agreement"] == np.count_nonzero(float_says == int8_says)
        assert found["kl"] is None
        assert found["noise_db"] > 25


class Net:
    """A net of 1x1 convolutions with weights of one's own, and photos of random colours."""

    def __init__(self, folder: Path, sections: str) -> None:
        self.cfg, self.weights = folder / "net.cfg", folder / "net.weights"
        self.photos, self.out = folder / "photos", folder / "out"
        self.cfg.write_text(f"[net]\nwidth=8\nheight=8\nchannels=3\n{sections}")
        self.random = np.random.default_rng(5)
        self.photos.mkdir()
        for i in range(20):
            colours = self.random.integers(0, 256, (8, 8, 3), np.uint8)
            blend = self.random.integers(0, 256, 3) * 0.7 + colours * 0.3
            Image.fromarray(blend.astype(np.uint8)).save(self.photos / f"{i}.png")

    def kernel(self, filters: int, channels: int) -> Any:
        return self.random.standard_normal((filters, channels, 1, 1)).astype(np.float32)

    def write(self, kernels: list[Any], biases: Any = 0.0) -> None:
        """The layers' kernels, and the biases of the last."""
        layers = {
            index: ConvolutionalWeights(np.zeros(len(kernel), np.float32), kernel)
            for index, kernel in enumerate(kernels)
        }
        layers[len(kernels) - 1].biases[:] = biases
        write_weights(self.weights, read_network(self.cfg), Weights(Header(), layers))

    def words(self) -> tuple[object, ...]:
        weights = ("--weights", self.weights, "--calib", self.photos, "--count", 20)
        return (self.cfg, *weights, "-o", self.out)


def lopsided(folder: Path, factor: float) -> Net:
    """A channel so much larger than its neighbours that a scale for all leaves them little.

    Nothing reads it: float does not mind, nor does a quantizer that equalizes the channels.
    """
    head = CONV.format(CLASSES, "linear") + "[avgpool]\n[softmax]\n"
    net = Net(folder, CONV.format(6, "leaky") + head)
    first, second = np.abs(net.kernel(6, 3)), 3 * net.kernel(CLASSES, 6)
    first[0] *= factor
    second[:, 0] = 0
    net.write([first, second])
    return net


class TestCost:
    """Honest files that int8 costs too much, and much."""

    def test_far_is_refused_by_the_layers_name(self, tmp_path: Path) -> None:
        net = lopsided(tmp_path, 3000)
        result = export(*net.words(), "--quantizer", "default")
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = (text for text in result.stderr.splitlines() if text.startswith("error:"))
        assert line.startswith(f"error: {net.cfg}: the int8 file is far from the float file:")
        assert "layer 0 convolutional does most of it" in line
        assert line.endswith(
            "; try --quantizer tuned, other photos, or make the float file alone with --float-only"
        )
        assert not net.out.exists()

    def test_poor_is_a_warning(self, tmp_path: Path) -> None:
        net = lopsided(tmp_path, 500)
        result = run_in_process("export", *net.words(), "--quantizer", "default")
        few, line = result.stderr.splitlines()
        assert few.startswith("note: calibrating on ")
        assert line.startswith("note: int8 costs this network much (")
        assert "use --quantizer tuned, or calibrate on more photos" in line
        assert line.endswith("; layer 0 convolutional costs most of it")
        assert check_of(net.out / "net_int8.tflite").worst_layer == "0 convolutional"
        assert len(list(net.out.iterdir())) == 2

    def test_what_a_mixed_file_is_made_of_is_not_warned_of(self, tmp_path: Path) -> None:
        """In float it costs nothing; the integer file is not written."""
        words = ("--quantizer", "default", "--device", "pi4", "--latency-budget", 9)
        result = run_in_process("export", *lopsided(tmp_path, 500).words(), *words, "--json")
        (few,) = result.stderr.splitlines()
        assert few.startswith("note: calibrating on ")
        assert json.loads(result.stdout)["check"]["mixed"]["agreement"] == 20

    def test_one_class_for_all_photos_is_a_warning(self, tmp_path: Path) -> None:
        net = Net(tmp_path, CONV.format(3, "linear") + "[avgpool]\n")
        kernel = 0.1 * net.kernel(3, 3)
        kernel[:2] -= kernel[:2].mean(axis=1, keepdims=True)
        net.write([kernel], biases=[100, 100, -100] - 0.5 * kernel.sum(axis=(1, 2, 3)))
        result = run_in_process("export", *net.words(), "--quantizer", "default", "--json")
        found = json.loads(result.stdout)["check"]["int8"]
        # Two classes are as likely in float; a step is larger than what they differ by.
        assert found["agreement"] < 16
        few, line = result.stderr.splitlines()
        assert few.startswith("note: calibrating on ")
        assert line.startswith(f"note: int8 costs this network much ({found['agreement']} of 20")

    @pytest.mark.long
    def test_the_tuned_quantizer_equalizes_it(self, tmp_path: Path) -> None:
        net = lopsided(tmp_path, 3000)
        (few,) = run_in_process("export", *net.words()).stderr.splitlines()
        assert few.startswith("note: calibrating on ")


def converted(net: Toy, out: Path) -> tuple[Prepared, Converted]:
    # Beside the network they make a note, which nobody hears here.
    net.labels.unlink(missing_ok=True)
    files = SourceFiles(net.cfg, net.weights, calibration=net.photos)
    request = ExportRequest("toy", files, out, calibration_count=PHOTOS, quantizer="default")
    prepared = prepare(request, progress=no_progress)
    return prepared, convert(prepared, progress=no_progress)


def edited(content: bytes, edit: Any) -> bytes:
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    edit(model, model.subgraphs[0])
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def convolutions(graph: Any) -> list[Any]:
    return [op for op in graph.operators if isinstance(op.builtinOptions, schema.Conv2DOptionsT)]


def without_bias(model: Any, graph: Any) -> None:
    buffer = model.buffers[graph.tensors[convolutions(graph)[0].inputs[2]].buffer]
    buffer.data = np.zeros_like(np.asarray(buffer.data))


def with_shifted_bias(model: Any, graph: Any) -> None:
    """One bias of the first layer is off by four steps of its output."""
    first = convolutions(graph)[0]
    tensor, output = graph.tensors[first.inputs[2]], graph.tensors[first.outputs[0]]
    steps = np.asarray(output.quantization.scale) / np.asarray(tensor.quantization.scale)
    buffer = model.buffers[tensor.buffer]
    bias = np.frombuffer(np.asarray(buffer.data, np.uint8).tobytes(), "<i4").copy()
    bias[0] += round(4 * float(steps[0]))
    buffer.data = np.frombuffer(bias.tobytes(), np.uint8)


def twice_the_kernel(model: Any, graph: Any) -> None:
    del model
    quantization = graph.tensors[convolutions(graph)[1].inputs[1]].quantization
    quantization.scale = 2 * np.asarray(quantization.scale)


def another_kernel(model: Any, graph: Any) -> None:
    buffer = model.buffers[graph.tensors[convolutions(graph)[1].inputs[1]].buffer]
    buffer.data = np.roll(np.asarray(buffer.data), 1)


def another_output_scale(model: Any, graph: Any) -> None:
    del model
    quantization = graph.tensors[graph.outputs[0]].quantization
    quantization.scale = 1.5 * np.asarray(quantization.scale)


@pytest.fixture(scope="module")
def whole(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Converted]:
    """The toy's files before they are checked; nothing is written yet."""
    return converted(toy, tmp_path_factory.mktemp("whole") / "out")


@pytest.fixture(scope="module")
def offset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Converted]:
    """The same with logits a hundred apart, which differ much less from photo to photo."""
    toy = write_toy(tmp_path_factory.mktemp("offset"))
    content = toy.weights.read_bytes()
    floats = np.frombuffer(content[16:], "<f4").copy()
    floats[155:159] += [100, 100, -100, 0]  # the biases of the second convolution
    toy.weights.write_bytes(content[:16] + floats.tobytes())
    return converted(toy, toy.cfg.parent / "out")


class TestAnotherFunction:
    """Files that the converter, or the quantizer, made wrong."""

    def test_a_rewritten_file_is_refused_where_one_answer_differs(
        self, whole: tuple[Prepared, Converted]
    ) -> None:
        prepared, good = whole
        assert good.int8_tflite is not None
        made = (prepared.facts, good.made_by, prepared.batch_norm)
        card = float_card(prepared.request, prepared.network, *made)
        check = FileCheck(prepared.network, good.probe, card, lambda: None)
        check.float_file(good.float_tflite)
        check.int8_file(good.int8_tflite, "default")
        check.rewritten_file(good.int8_tflite, "int8")
        with pytest.raises(ExportError, match="otherwise than plain ones"):
            check.rewritten_file(edited(good.int8_tflite, without_bias), "int8")

    @pytest.mark.parametrize(
        ("edit", "says"),
        [
            (without_bias, "part at layer 0 convolutional"),
            (twice_the_kernel, "part at layer 1 convolutional"),
            (another_kernel, "part at layer 1 convolutional"),
            (another_output_scale, "another function: RESHAPE"),
        ],
    )
    def test_an_int8_file_is_refused_by_the_layers_name(
        self, whole: tuple[Prepared, Converted], edit: Any, says: str
    ) -> None:
        prepared, good = whole
        assert good.int8_tflite is not None
        bad = replace(good, int8_tflite=edited(good.int8_tflite, edit))
        with pytest.raises(ExportError, match=says):
            finish(prepared, bad, progress=no_progress)
        assert not prepared.request.output.exists()

    @pytest.mark.parametrize(
        ("edit", "layer"), [(without_bias, 0), (twice_the_kernel, 1), (another_kernel, 1)]
    )
    def test_logits_far_apart_hide_nothing(
        self, offset: tuple[Prepared, Converted], edit: Any, layer: int
    ) -> None:
        prepared, good = offset
        assert good.int8_tflite is not None
        bad = replace(good, int8_tflite=edited(good.int8_tflite, edit))
        with pytest.raises(ExportError, match=f"part at layer {layer} convolutional"):
            finish(prepared, bad, progress=no_progress)
        keras = good.probe.keras
        probe = replace(good.probe, keras=keras + 0.1 * (keras - keras.mean(axis=0)))
        with pytest.raises(ExportError, match="TensorFlow's converter made another function"):
            finish(prepared, replace(good, probe=probe), progress=no_progress)

    def test_a_small_bias_left_out_is_found(self, whole: tuple[Prepared, Converted]) -> None:
        prepared, good = whole
        assert good.int8_tflite is not None
        shifted = replace(good, int8_tflite=edited(good.int8_tflite, with_shifted_bias))
        with pytest.raises(ExportError, match=r"layer 0 convolutional, whose bias is off by [34]"):
            finish(prepared, shifted, progress=no_progress)

    def test_a_float_file_that_is_not_keras_is_refused(
        self, whole: tuple[Prepared, Converted]
    ) -> None:
        prepared, good = whole
        probe = replace(good.probe, keras=good.probe.keras * 1.01)
        with pytest.raises(ExportError, match="TensorFlow's converter made another function"):
            finish(prepared, replace(good, probe=probe), progress=no_progress)
        assert not prepared.request.output.exists()
