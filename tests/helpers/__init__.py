"""Helpers that tests share. Test modules import from here; no test module imports another."""

import pkgutil

import pytest

# pytest explains failed assertions in test modules only, unless other modules are registered before they are imported.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
