"""Linux programs in restricted mode: `linux` serves their system calls, `launch` starts them, `python -m` shows it."""
