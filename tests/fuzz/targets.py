"""All readers that are fuzzed."""

from tests.fuzz import boards, cache, comparisons, darknet, lists, models, pictures, watching
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for subject in (darknet, lists, models, comparisons, pictures, boards, cache, watching)
    for target in subject.TARGETS
}
"""By name."""
