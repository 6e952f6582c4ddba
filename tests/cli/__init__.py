"""The program as a process: its exit codes and what it prints where."""
