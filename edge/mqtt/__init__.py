"""The broker: `publisher.Publisher` sends what the store holds and hands in the commands that come."""
