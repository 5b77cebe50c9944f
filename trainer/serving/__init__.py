"""Networks under torch: sessions on the graphics card and the child process that serves crops."""
