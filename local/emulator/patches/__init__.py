"""One module a gap: `apply(settings)` changes MiniStack in place and may return a coroutine function to await at start."""
