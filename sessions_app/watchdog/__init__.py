"""The watch over silence: one at a time across all processes, it fails what is lost beyond its limit.

It knows when it was blind, and judges nobody for a silence that may have been its own.
"""
