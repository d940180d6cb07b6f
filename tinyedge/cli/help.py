"""What ``--help`` says of every command: where it works, examples of it, and how it ends."""

import inspect

import click

from tinyedge.exit_codes import exit_codes_of

__all__ = ["EXAMPLES", "NEED_TENSORFLOW", "SECTIONS", "epilog", "list_commands", "with_needs"]

SECTIONS = {
    "On the computer": ("export", "inspect", "demo", "fetch", "bundle", "deploy"),
    "On the board and on the computer": (
        "run",
        "compare",
        "calib",
        "info",
        "check",
        "summary",
        "devices",
        "selftest",
        "zoo",
        "completion",
    ),
}
"""Every command, by where it works."""

NEED_TENSORFLOW = ("export", "inspect", "demo")
"""The commands that can do nothing in an install without it, such as a board's."""

EXAMPLES = {
    "bundle": (
        "tinyedge bundle out/tiny_int8.tflite --device pi4 -o bundle.tar.gz",
        "tinyedge bundle out/*.tflite --device pi3 --os bookworm -o bundle",
    ),
    "calib": (
        "tinyedge calib photos -o set --data labelled",
        "tinyedge calib labels.tsv -o set --size 100 --seed 7",
        "tinyedge calib set --check my.cfg --weights my.weights",
    ),
    "check": (
        "tinyedge check out/tiny_coral.tflite",
        "tinyedge check other.tflite --runtime 12 --json",
    ),
    "compare": (
        "tinyedge compare out/tiny_float.tflite out/tiny_int8.tflite --data labelled",
        "tinyedge compare my_float.tflite my_int8.tflite --data val.tsv --max-drop 1",
        "tinyedge compare my_float.tflite my_int8.tflite --data val --html page.html",
    ),
    "completion": (
        "tinyedge completion bash >> ~/.bashrc",
        "tinyedge completion fish > ~/.config/fish/completions/tinyedge.fish",
    ),
    "demo": ("tinyedge demo",),
    "deploy": (
        "tinyedge deploy out/tiny_int8.tflite --host pi@raspberrypi.local",
        "tinyedge deploy out/tiny_*.tflite --inventory boards.txt --data labelled",
        "tinyedge deploy out/tiny_int8.tflite --host pi@10.0.0.7 --service photos",
    ),
    "devices": ("tinyedge devices",),
    "export": (
        "tinyedge export tiny --calib photos -o out",
        "tinyedge export my.cfg --weights my.weights --labels my.names \\",
        "    --calib photos --device coral-usb -o out",
    ),
    "fetch": ("tinyedge fetch tiny squeezenet",),
    "info": (
        "tinyedge info out/tiny_int8.tflite",
        "tinyedge info other.tflite --write-labels other.names",
    ),
    "inspect": (
        "tinyedge inspect out/tiny_float.tflite out/tiny_int8.tflite --data labelled",
        "tinyedge inspect my_float.tflite my_int8.tflite --data photos --plot my.png",
    ),
    "run": (
        "tinyedge run out/tiny_int8.tflite dog.jpg",
        "tinyedge run out/tiny_int8.tflite --watch photos --min 0.5 --json",
        "tinyedge run out/tiny_int8.tflite dog.jpg --bench 100 --threads 4",
    ),
    "selftest": ("tinyedge selftest bundle",),
    "summary": (
        "tinyedge summary tiny --device pi-zero2w",
        "tinyedge summary my.cfg --size 298x224",
    ),
    "zoo": ("tinyedge zoo", "tinyedge zoo --table"),
}
"""By command, lines to type; one that is indented goes on with the line before it."""


def with_needs(command: str, text: str) -> str:
    """The text of a command's help, which says first where it cannot work."""
    if command not in NEED_TENSORFLOW:
        return text
    first, _, rest = inspect.cleandoc(text).partition("\n\n")
    needs = "Needs the computer's install (README: Installing): a board's has no TensorFlow."
    return "\n\n".join((first, needs, *([rest] if rest else [])))


def epilog(command: str | None) -> str:
    """The end of a command's help, or of the help of all: examples, and how it ends."""
    parts = []
    if command in EXAMPLES:
        parts.append("\n".join(("\b", "Examples:", *(f"  {line}" for line in EXAMPLES[command]))))
    rows = (f"  {code:<3}  {meaning}" for code, meaning in exit_codes_of(command).items())
    parts.append("\n".join(("\b", "Exit codes:", *rows)))
    return "\n\n".join(parts)


def list_commands(
    group: click.Group, context: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write each section: a command and the whole first sentence of its help, wrapped."""
    widest = max(len(name) for names in SECTIONS.values() for name in names)
    for heading, names in SECTIONS.items():
        rows = []
        for name in names:
            command = group.get_command(context, name)
            assert command is not None
            assert command.help is not None
            sentence, _, _ = " ".join(command.help.split()).partition(". ")
            rows.append((name.ljust(widest), sentence.removesuffix(".")))
        with formatter.section(heading):
            formatter.write_dl(rows)
