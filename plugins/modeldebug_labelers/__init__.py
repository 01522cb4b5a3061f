"""Who labels regions and audits failures."""
