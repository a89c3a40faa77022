"""The four verbs: ingest, record, deliver, upkeep. They know the core and the ports, nothing of databases or HTTP."""
