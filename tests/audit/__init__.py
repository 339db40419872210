"""The audit of the checks: planted faults, what kills them, and false alarms on random networks and on functions.

Three commands print the tables of the documentation; ``--help`` shows their options::

    python -m tests.audit.kills --jobs 2 --markdown
    python -m tests.audit.false_alarms 2000 --jobs 2 --markdown
"""
