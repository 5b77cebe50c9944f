"""Fine-tuning from the window: form, progress, report and the list of networks."""
