"""What can go wrong between us and our memory.

* NotFound  - no such row for this viewer
* Conflict  - the row is not in a state that allows this, or something like it exists already
* Limited   - more than this organization may have at once
"""


class NotFound(Exception):
    """No such row in this organization; other organizations' rows look the same."""


class Conflict(Exception):
    """The change contradicts what is stored; the message says what and how to go on."""


class Limited(Exception):
    """A limit of the organization or of the person is reached; the message names it."""
