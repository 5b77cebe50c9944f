"""Networks from a hand crop to pose, shape, camera, 2D joints and the expected error of each.

One interface (:class:`trainer.networks.hand_network.HandNetwork`), several trunks and two heads. Losses, data and a
hand model's vertices do not belong here.
"""
