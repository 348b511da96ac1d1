"""Tests of all floors; those that store anything run on a real PostgreSQL."""
