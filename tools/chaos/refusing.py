"""Faults in which Valkey answers with an error, one for each kind."""

from __future__ import annotations

import redis

from tests.support import valkey_refusals
from tests.support.dashboard import free_port
from tests.support.valkey_refusals import NOAUTH, NOPERM, OOM, READONLY, Refusal
from tools.chaos.agent_processes import Crew
from tools.chaos.fault import Act, Fault
from tools.chaos.world import World

SECONDS = 7
KEYS = 2000  # each takes a while to load
LOADING = {
    "save": "3600 1",
    "key-load-delay": "4000",
    "loading-process-events-interval-bytes": "1024",
}


def begins(refusal: Refusal) -> Act:
    def begin(world: World, _crew: Crew) -> None:
        valkey_refusals.tell(world.valkey_url, refusal.begin)
        with redis.Redis.from_url(world.valkey_url) as client:
            _must_say(client, "")

    return begin


def ends(refusal: Refusal) -> Act:
    def end(world: World, _crew: Crew) -> None:
        valkey_refusals.end(world.valkey_url, refusal)

    return end


def fail_to_save(world: World, _crew: Crew) -> None:
    valkey_refusals.fail_to_save(world.valkey_url, world.valkey_folder)
    with redis.Redis.from_url(world.valkey_url) as client:
        _must_say(client, "MISCONF")


def save_again(world: World, _crew: Crew) -> None:
    valkey_refusals.save_again(world.valkey_url, world.valkey_folder)


def load_for_long(world: World, _crew: Crew) -> None:
    """Restarts with a snapshot that takes seconds to load."""
    with redis.Redis.from_url(world.valkey_url) as client:
        with client.pipeline() as pipeline:
            for n in range(KEYS):
                pipeline.set(f"filler:{n}", "x" * 100)
            pipeline.execute()
        client.save()
    world.stop_valkey()
    world.launch_valkey(**LOADING)
    with redis.Redis.from_url(world.valkey_url) as client:
        _must_say(client, "LOADING")


def restart(world: World, _crew: Crew) -> None:
    world.stop_valkey()
    (world.valkey_folder / valkey_refusals.SNAPSHOT).unlink(missing_ok=True)
    world.start_valkey()


def serve_no_slot(world: World, _crew: Crew) -> None:
    """A cluster node without slots, which refuses every key."""
    world.stop_valkey()
    # By default the bus port is this one plus 10,000, which may be more than there are ports.
    ports = {"port": str(free_port()), "cluster-port": str(free_port())}
    world.launch_valkey(**{"cluster-enabled": "yes", "bind": "127.0.0.1", **ports})
    with redis.Redis.from_url(world.valkey_url) as client:
        _must_say(client, "CLUSTERDOWN")


def _must_say(client: redis.Redis, word: str) -> None:
    """Raises unless Valkey answers with this error, because the drill would then prove nothing."""
    said = valkey_refusals.answer(client)
    if said == valkey_refusals.STORED or word not in said:
        raise RuntimeError(f"Valkey does not refuse with {word or 'anything'}: {said}")


ALL = (
    *(
        Fault(f"Valkey refuses: {refusal.name}", begins(refusal), ends(refusal), SECONDS, unwell="valkey", away=away)
        for refusal, away in ((OOM, ""), (READONLY, ""), (NOPERM, "valkey"), (NOAUTH, "valkey"))
    ),
    Fault("Valkey refuses: MISCONF", fail_to_save, save_again, SECONDS, unwell="valkey"),
    Fault("Valkey refuses: LOADING", load_for_long, restart, SECONDS, unwell="valkey"),
    Fault("Valkey refuses: CLUSTERDOWN", serve_no_slot, restart, SECONDS, unwell="valkey"),
)  # fmt: skip
