from ..evaluate.conftest import finished, run  # noqa: F401
