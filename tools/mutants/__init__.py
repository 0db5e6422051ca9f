"""Mutation testing: removes one rule at a time; its tests have to fail."""
