"""The methods that Cosmo is compared with: one file each."""
