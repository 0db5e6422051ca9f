"""The watchdog: one across all processes, the leader, fails sessions that have been silent for longer than their limit.

Time in which heartbeats could not be received (an outage) does not count as silence.
"""
