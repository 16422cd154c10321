"""Or-Vnfm as SOL003 has it: HTTP between an NFVO and a VNFM of two processes."""

from mano.adapters.or_vnfm_http.foreign import ForeignVnfm
from mano.adapters.or_vnfm_http.foreign_nfvo import ForeignNfvo
from mano.adapters.or_vnfm_http.news import News
from mano.adapters.or_vnfm_http.nfvo import HttpNfvo
from mano.adapters.or_vnfm_http.notices import VnfmNotices, teller_of
from mano.adapters.or_vnfm_http.peer import PeerClient
from mano.adapters.or_vnfm_http.reporter import Reporter
from mano.adapters.or_vnfm_http.subscriber import Subscriber
from mano.adapters.or_vnfm_http.vnfm import HttpVnfm

__all__ = [
    "ForeignNfvo",
    "ForeignVnfm",
    "HttpNfvo",
    "HttpVnfm",
    "News",
    "PeerClient",
    "Reporter",
    "Subscriber",
    "VnfmNotices",
    "teller_of",
]
