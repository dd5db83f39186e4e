"""The custodian's own keys: master, identity, instance."""

from casemate.custodian.keys.identity import Identity
from casemate.custodian.keys.instance import Instance, InstanceSecret, issue_instance
from casemate.custodian.keys.master import create_master, open_master

__all__ = ["Identity", "Instance", "InstanceSecret", "create_master", "issue_instance", "open_master"]
