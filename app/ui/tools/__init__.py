"""Actions of the tool bar that need no panel: help, first steps, motion, snapshots, settings."""
