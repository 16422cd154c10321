"""Places outside the NS where a SAP ends: namespaces that a port's other end is moved into."""

from __future__ import annotations

from collections.abc import Mapping

from mano.adapters.vim_local import links, netns
from mano.adapters.vim_local.directory import Directory
from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.hosts import Hosts
from mano.adapters.vim_local.lab import Lab, check_identifier, check_name
from mano.errors import AlreadyExists, InUse, NotFound
from mano.ports.vim import Attachment


class Attachments:
    """Each has the namespace ``cat-<lab>-<name>``; what else runs in there is its owner's business."""

    def __init__(self, lab: Lab, directory: Directory, hosts: Hosts, effects: Effects) -> None:
        self._lab = lab
        self._directory = directory
        self._hosts = hosts
        self._effects = effects

    def all(self) -> Mapping[str, Attachment]:
        return self._directory.attachments()

    def get(self, name: str) -> Attachment:
        """Raises :class:`~mano.errors.NotFound`."""
        try:
            return self._directory.attachments()[name]
        except KeyError:
            raise NotFound(
                f"the local VIM has no attachment {name!r:.80}",
                hint="add it first: POST /mano/v1/vims/<id>/attachments",
            ) from None

    def add(self, attachment: Attachment) -> None:
        """Keep it and make its namespace; also makes the namespace again after a reboot."""
        check_name("attachment", attachment.name)
        if attachment.host:
            self._hosts.facts(attachment.host)
        else:
            check_identifier("physical network", attachment.physical_network)
        present = self.all().get(attachment.name)
        if present is not None and present != attachment:
            raise AlreadyExists(
                f"attachment {attachment.name} is already there, at another place", hint="remove it first"
            )
        if attachment.name in self._hosts.names():
            raise AlreadyExists(f"{attachment.name} is the name of a host: an attachment cannot have it too")
        with self._effects("attachment.record"):
            self._directory.keep_attachment(attachment)
        self.ensure_namespace(attachment.name)

    def ensure_namespace(self, name: str) -> str:
        """The name of the attachment's namespace, which is there then."""
        namespace = self._lab.namespace(name)
        with self._effects("attachment.namespace"):
            netns.add(namespace)
        return namespace

    def remove(self, name: str) -> None:
        namespace = self._lab.namespace(check_name("attachment", name))
        if name in self._hosts.names():
            raise NotFound(f"{name} is a host and not an attachment")
        if netns.exists(namespace):
            ends = [link for link in links.read_links(namespace).values() if link.alias.startswith(links.LABEL)]
            if ends:
                raise InUse(f"attachment {name} still has {ends[0].alias.removeprefix(links.LABEL)}")
        with self._effects("attachment.namespace-gone"):
            netns.delete(namespace)
        with self._effects("attachment.record-gone"):
            self._directory.forget_attachment(name)
