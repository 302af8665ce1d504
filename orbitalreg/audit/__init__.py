"""The audit log: one entry for each change, in the transaction of the change, and one for each change refused.

Entries are chained by hash a little later (`chain`), so that one which is removed or edited is found. They are never
changed and never deleted.
"""

from orbitalreg.audit.entries import project_of, record, told
from orbitalreg.audit.refusals import Refusals

__all__ = ["Refusals", "project_of", "record", "told"]
