"""The infra kinds as data: their files, rules and pages."""
