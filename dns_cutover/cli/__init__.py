"""The terminal face: one thin file per verb. Heavy imports happen inside the verbs, so that --help is instant."""
