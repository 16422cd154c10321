"""Who takes the other side of Or-Vnfm: this server itself, or others over HTTP."""

from __future__ import annotations

from mano.adapters.or_vnfm_http import (
    ForeignNfvo,
    ForeignVnfm,
    HttpNfvo,
    HttpVnfm,
    News,
    PeerClient,
    Reporter,
    Subscriber,
    VnfmNotices,
    teller_of,
)
from mano.adapters.store import PackageDirectory, SqlStore
from mano.adapters.web_client import WebClient
from mano.domain.access import Credentials
from mano.nfvo.granting import Granting
from mano.nfvo.vnf_managers import KnownVnfm, VnfManagers, VnfRecords
from mano.ports.descriptors import DescriptorReader
from mano.ports.or_vnfm import Nfvo, Vnfm
from mano.ports.repositories import UnitOfWorkFactory
from mano.settings import Peer, Role, Settings
from mano.vnfm.vnf_lifecycle import VnfLifecycle


def nfvo_of(
    peer: Peer | None,
    listen: str,
    web: WebClient,
    own: Granting,
    store: SqlStore,
    packages: PackageDirectory,
    reader: DescriptorReader,
) -> tuple[Nfvo, tuple[Reporter, ...]]:
    """The NFVO that this server's VNFM asks, and who tells it of what the VNFM does."""
    if peer is None:
        return own, ()
    remote = HttpNfvo(PeerClient(web, peer), store.open_unit, packages, reader, listen)
    if peer.foreign:
        return ForeignNfvo(remote, own, store.open_unit), ()
    return remote, (Reporter(store.open_unit, store.signal, remote),)


def vnfm_of(
    settings: Settings,
    web: WebClient,
    open_unit: UnitOfWorkFactory,
    records: VnfRecords,
    own: VnfLifecycle,
    granting: Granting,
    credentials: Credentials | None,
) -> tuple[Vnfm, VnfmNotices | None, tuple[Subscriber, ...]]:
    """Who manages VNFs: this server, VNFMs in other processes, or both; who takes what foreign ones tell, and who has
    them tell it."""
    known, tellers, subscribers = [], [], []
    for peer in settings.peers.vnfms:
        client = PeerClient(web, peer)
        if not peer.foreign:
            known.append(KnownVnfm(HttpVnfm(client), peer.identifiers))
            continue
        news = News()
        vnfm = ForeignVnfm(client, open_unit, granting.end, news)
        known.append(KnownVnfm(vnfm, peer.identifiers, copies_itself=True))
        teller = teller_of(peer.url, credentials.signing_key if credentials else "", vnfm, news)
        tellers.append(teller)
        if settings.own_url:
            subscribers.append(Subscriber(client, settings.own_url + teller.path, teller.proof, news))
    if not known:
        return own, None, ()
    if settings.role is Role.ALL:
        known.append(KnownVnfm(own, copies_itself=True))
    notices = VnfmNotices(tellers) if tellers else None
    return VnfManagers(open_unit, records, known), notices, tuple(subscribers)
