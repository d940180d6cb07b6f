"""All readers that are fuzzed."""

from tests.fuzz import boards, darknet, lists, models, pictures
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for subject in (darknet, lists, models, pictures, boards)
    for target in subject.TARGETS
}
"""By name."""
