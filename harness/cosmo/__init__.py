"""Cosmo: contrastive fusion learning with few labels."""
