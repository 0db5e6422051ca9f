"""The peers of the benchmarks, one file each."""
