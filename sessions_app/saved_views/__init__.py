"""A person's saved views, columns and density of the list."""
