"""What can go wrong between us and our memory.

* NotFound  - no such row for this viewer
* Conflict  - the row is not in a state that allows this, or something like it exists already
* Limited   - more than this organization may have at once
* Busy      - every connection is in use
* Full      - a disk of the server has no room left
"""

from sqlalchemy.exc import TimeoutError as PoolTimeout


class NotFound(Exception):
    """No such row in this organization; other organizations' rows look the same."""


class Conflict(Exception):
    """The change contradicts what is stored; the message says what and how to go on."""


class Full(Exception):
    """A disk of the server has no room left; only its operator can change that."""


class Limited(Exception):
    """A limit of the organization or of the person is reached; the message names it."""


class Busy(Limited, PoolTimeout):
    """Every connection stayed in use; whoever is patient may try again, as when the database is away."""
