"""Grading: the exercises of the chapter, marked equation by equation."""
