"""Real DNS servers for tests: one class per daemon, a hierarchy made of them, watchers, a proxy for updates."""
