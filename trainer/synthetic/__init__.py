"""Pictures of hands with perfect labels, rendered from any hand model in MANO's structure.

``scene.SceneRenderer`` makes one ``sample.SyntheticSample`` from a seed and an index alone: the same numbers give
the same picture on any machine with the same library versions. The other files are its parts: the surface of hand
and forearm (``subdivision``, ``surface``), its appearance (``skin``, ``clothing``, ``lighting``), its pose and place
(``pose_prior``, ``camera_placement``), what else is in the picture (``distractors``, ``props``, ``faces``), how that
is drawn (``scene_description``, ``scene_rasterizer``, ``visibility``), and what happens behind and after it
(``backgrounds``, ``camera_effects``). Series of samples go to disk through ``trainer.dataset_writers``. Runs on NumPy,
numba and OpenCV alone.
"""
