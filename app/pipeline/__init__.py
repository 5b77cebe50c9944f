"""From a source to results: capture thread -> mailbox -> one worker thread per path -> mailbox -> the consumer.

No toolkit here: the window and the headless run use the same pipeline and differ only in what they do with a result.
"""
