"""What runs on a workstation: makes the crops, trains the network, quantizes it, and writes the bundle."""
