"""Suites, cases, scorers and reports: how we know that Dure answers well."""
