"""Turns MediaPipe's published TFLite models into ``assets/hand_finder``; not needed to run the program."""
program."""
