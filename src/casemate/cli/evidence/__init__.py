"""`casemate evidence`: what a platform said of a trust domain, looked at and verified without a custodian."""
