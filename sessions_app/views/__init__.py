"""The dashboard's own pages. What a person may do is asked twice: to draw it, and to do it."""
