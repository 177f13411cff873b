"""Every stranger of `make prove`, met once."""

import asyncssh

from daemon.transports.sftp_keys import accepted_signatures
from tests.prove.strangers import meet_all


async def test_no_stranger_is_told_anything() -> None:
    figures = await meet_all()
    assert figures.broken == []
    assert figures.counts["strangers met"] > 40
    assert figures.counts["friends met"] == 6


def test_no_host_key_may_prove_itself_by_sha_1() -> None:
    """No server here would sign so any more: it is not asked to."""
    pinned = asyncssh.generate_private_key("ssh-rsa")
    assert not {"ssh-rsa", "ssh-dss"} & set(accepted_signatures([pinned]))
