"""What a training recipe can say, and its checks."""
