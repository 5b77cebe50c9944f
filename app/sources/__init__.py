"""Where pictures come from; every source follows ``app.sources.base.FrameSource``."""
