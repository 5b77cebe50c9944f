"""The user's networks: which there are, which one is live and which was before, and how to share one.

Does not use Qt, and nothing in a network's file is ever executed: weights are ONNX and safetensors, texts are
JSON and Markdown.
"""
