"""How a person has arranged the list: saved views, columns, density."""
