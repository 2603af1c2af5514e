"""Fuzzing: random system calls, ELF files and machine code, and the invariants that hold whatever they do."""
