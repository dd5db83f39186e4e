"""A made-up AWS: certificates of hours, and documents of enclaves that there are not."""
