"""The count: `count.SpecimenCount`, its intervals, its correction, and flags for review."""
