"""One file per algorithm: when it applies, what it costs, how exact it is, and how it becomes stages."""
