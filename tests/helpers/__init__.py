"""What tests share. Test modules import from here, and none imports another."""

import pkgutil

import pytest

# pytest explains a failed assertion of test modules alone, unless it is told of others before they are imported.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
