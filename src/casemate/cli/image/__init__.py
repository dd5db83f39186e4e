"""Protected images: made from ordinary ones, looked at, verified, compared."""
