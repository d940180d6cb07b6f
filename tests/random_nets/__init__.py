"""Random small nets through an export: the float file against Darknet, int8 against float.

    python -m tests.random_nets --nets 300

prints a table of the verdicts, of the int8 files' errors and of the worst nets, each with the seed
that makes it again. `sections` writes a section of every kind of layer, `heads` the ends of nets,
`nets` puts them together, `weights` and `photos` give them something to compute, `judge` exports a
net and compares, `table` prints.
"""
