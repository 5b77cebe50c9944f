"""The Colab notebook, generated from the package so that both do the same.

``story.py`` is what the notebook does, ``inline.py`` takes the code it needs out of the package, ``ipynb.py`` puts both
into a file, and ``command.py`` is ``python -m trainer notebook``.
"""
