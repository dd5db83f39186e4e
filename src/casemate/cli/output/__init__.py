"""`casemate output`: what workloads write, sealed for its owner."""
