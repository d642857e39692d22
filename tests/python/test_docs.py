"""The examples of docs/python.md run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs/python.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0][:30])
def test_example(pytester, example):
    if "def test_" in example:
        pytester.makepyfile(example)
        outcomes = pytester.runpytest_subprocess("-p", "no:cacheprovider").parseoutcomes()
        assert set(outcomes) == {"passed"}
    else:
        subprocess.run([sys.executable, "-c", example], check=True)


def test_there_are_examples():
    assert len(EXAMPLES) == 5
