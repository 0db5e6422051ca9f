"""Drafts: text of unsent forms, stored for one person and one form."""
