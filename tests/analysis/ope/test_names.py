"""The names under which a reader finds what there is."""

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

from analysis import ope
from analysis.ope import estimators, models

PACKAGES = [ope, estimators, models]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_name_is_what_it_says_and_no_module_that_hides_it(package):
    for each in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{each.name}")
    assert package.__all__
    for name in package.__all__:
        assert not isinstance(getattr(package, name), ModuleType), name


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_a_wrong_name_is_an_error(package):
    with pytest.raises(AttributeError, match="no attribute 'snipz'"):
        package.snipz  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES[1:], ids=lambda package: package.__name__)
def test_each_name_is_in_the_table_and_in_what_is_completed(package):
    assert dir(package) == sorted(package.__all__)
    for name in package.__all__:
        assert name in package.__doc__


def test_parts_are_found_from_the_package_and_loaded_when_asked_for():
    asked = """
import sys
from analysis import ope
assert not [name for name in sys.modules if name.startswith(("analysis.ope.estimators", "analysis.ope.models"))]
print(ope.estimators.Snips().name, ope.models.Nothing().name, ope.doors.__name__)
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["snips", "no", "model", "of", "the", "reward", "analysis.ope.doors"]
