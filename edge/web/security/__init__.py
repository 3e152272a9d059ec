"""What stands before every request: its size, its time, where it comes from, and whose session it is."""
