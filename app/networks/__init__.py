"""Networks as the user has them: which there are, which one is live and which was before, and how to share one.

Nothing here knows Qt, and nothing in a network's file is ever executed: weights are ONNX and safetensors, words are
JSON and Markdown.
"""
