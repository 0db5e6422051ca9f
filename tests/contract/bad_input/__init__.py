"""Bad inputs, by their source."""

from tests.contract.bad_input import (
    at_the_pages,
    in_psql,
    in_valkey,
    on_the_socket,
    through_the_library,
)
from tests.contract.bad_input.case import Case

CASES: list[Case] = [
    *through_the_library.CASES,
    *in_psql.CASES,
    *in_valkey.CASES,
    *at_the_pages.CASES,
    *on_the_socket.CASES,
]
