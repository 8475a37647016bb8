"""Grades a folder of notebooks: ``qmix-edu grade``.

``submissions`` finds and reads them and never runs a line of theirs; ``sandbox`` runs one process, walled in;
``worker`` is that process: one exercise of one student, judged by the check of ``qmix_edu.exercises``; ``grading``
keeps both busy and remembers what is done; ``reports`` writes the table and the pages.

What is trusted: everything that the parent process does. What is not: the worker, from the moment the student's code
runs in it. Its answer is read as bounded text and validated. The student's code and the check share that process, so
a student who sets out to forge a "correct" can; docs/teachers_guide.md says what is and what is not prevented.
"""
