"""`casemate endorsements`: the cache of what vendors sign about their hardware."""
