"""Every reader of tinyedge fed with mutated files: ``python -m tests.fuzz NAME --runs N``.

A reader may return, warn, or raise a `tinyedge.errors.TinyedgeError` whose message is one line.
Anything else is a find: another exception, a message that fails or does not end, a crash, a hang,
memory without a limit. atheris (libFuzzer) mutates the files by what they reach in tinyedge; it
has wheels for CPython 3.11 to 3.13 on x86-64 Linux.

====================  ==============================================================
``target.py``         what a target is, and what counts as a find
``targets.py``        the table of all
``darknet.py``,       the targets, by what they read: a function from bytes, and
``lists.py``, ...     seeds made by the project's own writers
``mutators.py``,      mutations after which JSON is still JSON, a .tflite one
``tflite_mutator.py`` with offsets that lead somewhere
``guided.py``         one process of libFuzzer
``sessions.py``       starts it, gathers what it found and learned
``corpus.py``         what is kept of that: ``corpus/NAME.zip``, ``finds/NAME/``
====================  ==============================================================

A file of ``finds/`` was a find once, was mended, and is read by every test run from then on, as
the whole corpus is.
"""
