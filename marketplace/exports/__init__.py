"""Writers of what requesters take away: one row shape, one file per format."""
