"""The process that counts day and night: `process.run_daemon`."""
