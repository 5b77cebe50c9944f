"""Turns MediaPipe's published TFLite models into ``assets/hand_finder``; the program does not need it to run."""
