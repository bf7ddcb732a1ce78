"""What can go wrong at the door.

* Unauthenticated  - we do not know who asks: no token, or one we refuse
* Forbidden        - we know, and they may not
"""


class Unauthenticated(Exception):
    """Nobody is signed in; the message says what was wrong with the token, never what it held."""


class Forbidden(Exception):
    """The viewer lacks a permission; the message names it."""
