"""Where a name may lead: which addresses of the network FairMind connects to, whoever asks it to."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # Amazon, Google, Azure, and most others
            "169.254.170.2",  # Amazon's containers
            "fd00:ec2::254",
            "fd20:ce::254",  # Google
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure's host, though it looks public
            "192.0.0.192",  # Oracle
        ),
    )
)
"""Where clouds hand out the keys of the machine that asks."""
DISGUISES = tuple(
    map(
        ip_network,
        (
            "::/96",  # IPv4-compatible
            "::ffff:0:0/96",  # IPv4-mapped
            "::ffff:0:0:0/96",  # IPv4-translated
            "64:ff9b::/96",  # NAT64
            "64:ff9b:1::/48",
            "2001::/32",  # Teredo
            "2002::/16",  # 6to4
        ),
    )
)
"""IPv6 addresses that stand for an IPv4 address, so that what leads to a private one looks public."""
_ONESELF = ip_address("::1")
_NOWHERE = (ip_network("0.0.0.0/8"), ip_network("240.0.0.0/4"), ip_network("fec0::/10"))


def refused(address: Address, *, near: bool) -> str | None:
    """Why an address is not connected to, as a sentence goes on; None where it may be.

    Args:
        near: private and loopback addresses may be reached, because an operator listed this host and port.
    """
    if address in METADATA:
        return "where a cloud hands out keys"
    if address.is_unspecified or any(address in block for block in _NOWHERE):
        return "no address that could be called"
    if address != _ONESELF and any(address in block for block in DISGUISES):
        return "an IPv4 address in the form of IPv6"
    if address.is_multicast:
        return "a group of machines (multicast)"
    if address.is_link_local:
        return "an address of the nearest network only (link-local)"
    if address.is_loopback:
        return None if near else "an address of this machine"
    return None if near or address.is_global else "a private address"
