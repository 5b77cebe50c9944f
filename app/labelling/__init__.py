"""Labels of recorded sessions: computed over the whole session, better than the live estimates. Does not use Qt."""
