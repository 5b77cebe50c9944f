"""The Colab notebook, written from the package so that it says what the package does.

``story.py`` is what the notebook does, ``inline.py`` takes the code it needs out of the package, ``ipynb.py`` puts both
into a file, and ``command.py`` is ``python -m trainer notebook``.
"""
