"""What runs on the device: from a camera's frame to a published white-blood-cell differential.

Each room says in its `__init__` what it is for. A frame goes one way: `cameras`, `quality`, `finding`,
`masking`, `naming` (`analyzer` calls these four in a straight line), `slide`, `differential`, `store`,
`mqtt`. The process around them is `daemon`. A room imports only from those before it in
`tests/test_layers.py`.
"""

__version__ = "0.2.0.dev0"
