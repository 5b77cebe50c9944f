"""Running a trained hand network, without torch.

``runtime`` loads an exported network and turns crops into poses, ``pose_refinement`` fits pose and root translation
to the predicted 2D keypoints, ``pipe_protocol`` is the message format to a network in a child process. Imports
``hand`` alone.
"""
