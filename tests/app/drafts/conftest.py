from tests.app.pages.conftest import _a_manager_of_its_own, make_session

__all__ = ["_a_manager_of_its_own", "make_session"]
