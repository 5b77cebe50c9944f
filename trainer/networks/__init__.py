"""Networks from a hand crop to pose, shape, camera, 2D joints and how sure they are of each.

One interface (:class:`trainer.networks.hand_network.HandNetwork`), several trunks and two heads. What must not live
here: losses, data, anything that knows a hand model's vertices.
"""
