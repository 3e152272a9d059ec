"""What runs on the device: from a camera's frame to a published white-blood-cell differential.

A frame goes one way, through these modules in this order, and none calls back:

- The picture: `cameras`, corrected by a `camera_calibration`, measured in an `empty_field`; `quality`,
  beside what is usual for the specimen (`quality_reference`).
- The cells: `masking`, then `classifier` (`runtime`, `rejection`, `evidence`); `analyzer` is the straight
  line.
- The count: `scan` tells what is new of a field (`registration`, `slide_map`, `sightings`, `steadiness`),
  and `differential` counts (`intervals`, `corrected`, `flags`). `counting` does it for one specimen,
  `session` for those that commands begin and end.
- The disk: `keeping` is ahead of it, `store` (`database`, `ledger`, `specimen`, `answers`, `keyframes`,
  `upkeep`) is on it, with `housekeeping` and `rescue`.
- The broker: `publisher` sends what waits (`connection`, `delivery`, `secrets`, `rival`); `reporting` says
  how the count stands, `health` how the device is; `commands` come in.

Around them:

- The daemon: `daemon`, with `about`, `model_loading`, `stopping`, `reloading`, `service` (systemd),
  `allocator` and `identity`.
- What is said: `messages` out (`field_parts`, `place`, `differential_parts`), `requests` in, `config`
  (`config_cameras`, `config_sentences`, `config_choices`), `errors`.
- The model: `bundle`; installed by `model_install` (`signing`, `model_store`, `model_proof`,
  `model_trial`); refitted by `calibration` (`labelled`, `refit`, `last_layer`, `flatbuffer`,
  `calibrated_bundle`); `versions`.
- The command line: `cli` and the modules that end in `_cli`; `offline` analyses, `heatmap` and
  `overlay_parts` draw, `listing`, `specimen_listing` and `tables` print, `specimen_orders` acts; `demo`
  shows it all.
"""

__version__ = "0.1.0"
