"""Read numbers: several digits in one picture, apart or touching, in one line or several.

picture ─▶ ink ─▶ without printed lines and frames ─▶ lines of writing ─▶ pieces of digits ─▶ the best path through them
"""
