"""Compares what calls returned with what PostgreSQL holds. The rules are pure functions of records and calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from tools.stress import checkpoint_rules, context_rules, error_rules, history_rules, order_rules
from tools.stress.call_log import Call
from tools.stress.stored_state import StressRecord
from tools.stress.violations import Findings, Violation

RecordRule = Callable[[StressRecord, Sequence[Call]], Findings]

RULES: dict[str, RecordRule] = {
    "lost checkpoint": checkpoint_rules.lost,
    "refused, but stored": checkpoint_rules.refused_but_stored,
    "double checkpoint": checkpoint_rules.double,
    "checkpoints out of order": checkpoint_rules.out_of_order,
    "write of an old epoch": checkpoint_rules.of_an_old_epoch,
    "history": history_rules.gaps,
    "stored twice": history_rules.stored_twice,
    "forbidden transition": history_rules.forbidden,
    "unasked transition": history_rules.unasked,
    "failed by the library": history_rules.failed_by_the_library,
    "order without a giver": order_rules.not_given,
    "lost order": order_rules.lost,
    "order undone": order_rules.undone,
    "acknowledged, not met": order_rules.not_met,
    "copy": context_rules.wrong_copies,
    "copy in valkey": context_rules.wrong_copy_in_valkey,
    "change that was not asked for": context_rules.unasked,
    "lost change": context_rules.lost,
    "overwritten without a conflict": context_rules.overwritten,
    "foreign error": error_rules.foreign,
    "error that left attach": error_rules.left_attach,
}


def judge(
    records: Sequence[StressRecord], calls: Sequence[Call], wrong_counts: dict[str, int]
) -> list[Violation]:
    of_session: defaultdict[str, list[Call]] = defaultdict(list)
    for call in calls:
        of_session[call.session].append(call)
    found = [
        Violation(name, says, record.session, [call.to_dict() for call in concerned])
        for record in records
        for name, rule in RULES.items()
        for says, concerned in rule(record, of_session[record.session])
    ]
    for state, difference in wrong_counts.items():
        says = f"the count of {state} sessions is {difference:+d} from the truth"
        found.append(Violation("counts", says, ""))
    for says, concerned in error_rules.foreign(None, of_session[""]):
        found.append(Violation("foreign error", says, "", [call.to_dict() for call in concerned]))
    return found
