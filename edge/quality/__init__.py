"""Whether a frame is worth analysing: `assessment.assess`, beside the specimen's usual in `reference`."""
