"""What a worker's server shows beside metrics and health, put together from the settings.

Part of the composition root: it knows both packages, no room imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.link_pages import LinkPages
from alerts.links import LinkSettings, Signer
from alerts.notify.secrets import read_secret
from streams.live_page import LivePages
from streams.worker.reception import Reception

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streams.config import Settings
    from streams.metrics.http import Pages
    from streams.worker.frame import MakePages, WorkerFrame


def link_settings_of(settings: Settings, environ: Mapping[str, str], base: Path) -> LinkSettings | None:
    """What acknowledge and mute links are signed with; None where no secret is named.

    Args:
        settings: the whole tree.
        environ: the variables that secrets are in.
        base: folder of the settings, which files with secrets are relative to.

    Raises:
        ConfigError: a secret is not there, or too short.
    """
    links = settings.notify.links
    named = (
        ("secret", links.secret_env, links.secret_file),
        ("old_secret", links.old_secret_env, links.old_secret_file),
    )
    found = [
        read_secret(f"notify.links.{name}", env=env, file=file, environ=environ, base=base)
        for name, env, file in named
    ]
    secrets = tuple(secret for secret in found if secret is not None)
    if found[0] is None or links.public_url is None:
        return None
    return LinkSettings(links.public_url, secrets, links.valid_for_ms, links.mute_for_ms, links.pictures)


def signer_of(settings: Settings, environ: Mapping[str, str], base: Path) -> Signer | None:
    """Who signs acknowledge and mute links; None where no secret is named.

    Raises:
        ConfigError: as :func:`link_settings_of`.
    """
    links = link_settings_of(settings, environ, base)
    return None if links is None else Signer(links)


def pages_of(settings: Settings, environ: Mapping[str, str], base: Path) -> MakePages:
    """Makes the pages of a worker; what is wrong with their settings is said at once.

    Raises:
        ConfigError: as :func:`signer_of`.
    """
    signer = signer_of(settings, environ, base)

    def make(worker: WorkerFrame) -> Sequence[Pages]:
        links = LinkPages(signer, Reception(settings), worker.clock, worker.registry)
        worker.also_configure.append(lambda anew: links.believe(signer_of(anew, environ, base)))
        return LivePages(worker), links

    return make
