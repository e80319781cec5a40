"""Report: what a search was, in one file for a colleague or an appendix, or as an RO-Crate."""
