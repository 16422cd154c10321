"""Flows as an expert writes them for one chain and nothing else: what rendered tables are measured against.

They have the same guard, the same TTL handling, the same hand-off by MAC tags and the same ways back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MACS = ("02:ab:00:00:00:01", "02:ab:00:00:00:02")
"""Of the stations a and b."""

NSH = "packet_type=(1,0x894f)"
NSH_VNI, PLAIN_VNI = 7, 4096

O_BIT = "nsh_flags=2/2"


def at(spi: int, si: int, more: str = "") -> str:
    """A flow of the forwarder's table at one position of a path."""
    return f"table=10,priority={200 if more else 100},{NSH},nsh_spi={spi},nsh_si={si}{more and ',' + more}"


def impose(spi: int, si: int, ttl: int) -> str:
    """Actions that put NSH before a frame."""
    context = f"set_field:0xca7e0000->nsh_c1,set_field:0->nsh_c2,set_field:0->nsh_c3,set_field:{spi << 8 | si}->nsh_c4"
    path = f"set_field:{spi}->nsh_spi,set_field:{si}->nsh_si,set_field:{ttl}->nsh_ttl,set_field:0->nsh_flags"
    return f"encap(nsh(md_type=1)),{path},{context},resubmit(,5)"


def tag(spi: int, si: int) -> str:
    """The source MAC by which a bridging function's frames are told apart."""
    return f"02:ca:00:00:{spi:02x}:{si:02x}"


def entry() -> list[str]:
    """What every forwarder does first: the guard's end, TTL before lookup."""
    return [
        "table=0,priority=0,actions=drop",
        f"table=5,priority=300,{NSH},nsh_si=0,actions=drop",
        f"table=5,priority=210,{NSH},nsh_ttl=1,{O_BIT},actions=drop",
        f"table=5,priority=205,{NSH},nsh_ttl=1,actions=drop",
        f"table=5,priority=200,{NSH},nsh_ttl=0,actions=set_field:63->nsh_ttl,resubmit(,10)",
        f"table=5,priority=100,{NSH},actions=dec_nsh_ttl,resubmit(,10)",
    ]


def guard(port: int) -> list[str]:
    """What a station or a function that knows no NSH may not send."""
    return [
        f"table=0,priority=310,in_port={port},vlan_tci=0/0x1000,dl_type=0x894f,actions=drop",
        f"table=0,priority=305,in_port={port},vlan_tci=0x1000/0x1000,actions=drop",
    ]


def proxied(spi: int, si: int, into: int, out: int, ttl: int) -> list[str]:
    """To a bridging function by one leg, and back from the other."""
    packed = spi << 8 | si
    return [
        f"{at(spi, si, O_BIT)},actions=set_field:{si - 1}->nsh_si,resubmit(,5)",
        f"{at(spi, si)},actions=set_field:{packed}->reg0,decap(),resubmit(,20)",
        f"table=20,priority=100,reg0={packed},ip,actions=set_field:{tag(spi, si)}->eth_src,output:{into}",
        f"table=0,priority=200,in_port={out},ip,dl_src={tag(spi, si)},actions={impose(spi, si - 1, ttl)}",
    ]


def ending(spi: int, si: int, to: str) -> list[str]:
    """The end of a path."""
    packed = spi << 8 | si
    return [
        f"{at(spi, si, O_BIT)},actions=drop",
        f"{at(spi, si)},actions=set_field:{packed}->reg0,decap(),resubmit(,30)",
        f"table=30,priority=100,reg0={packed},ip,actions={to}",
    ]


def between_stations(count: int) -> str:
    """Stations a (port 1) and b (port 2) of one bridge with ``count`` bridging functions between them."""
    lines = entry()
    for here, mac, address in ((1, MACS[0], "10.0.0.1"), (2, MACS[1], "10.0.0.2")):
        onward = "resubmit(,1)" if here == 1 else "ct(table=31,zone=2)"
        lines += guard(here)
        lines.append(f"table=0,priority=200,in_port={here},dl_src={mac},arp,actions=output:{3 - here}")
        lines.append(f"table=0,priority=200,in_port={here},dl_src={mac},ip,nw_src={address},actions={onward}")
    lines.append(f"table=1,priority=100,in_port=1,ip,actions={impose(100, 255, 63)}")
    lines.append(f"table=31,priority=100,in_port=2,ip,ct_mark=100,actions={impose(101, 255, 63)}")
    for spi, legs in ((100, range(count)), (101, range(count)[::-1])):
        for number, which in enumerate(legs):
            into, out = (3 + 2 * which, 4 + 2 * which)[:: 1 if spi == 100 else -1]
            lines += proxied(spi, 255 - number, into, out, 62 - number)
        macs = MACS[::-1] if spi == 100 else MACS
        commit = "ct(commit,zone=2,exec(set_field:100->ct_mark))," if spi == 100 else ""
        leave = f"set_field:{macs[0]}->eth_dst,set_field:{macs[1]}->eth_src,{commit}output:{2 if spi == 100 else 1}"
        lines += ending(spi, 255 - count, leave)
    return _text(lines)


@dataclass(frozen=True)
class End:
    """A port of the sample service: its host, OpenFlow port, MAC and IPv4 address."""

    host: str
    ofport: int
    mac: str
    address: str = ""


@dataclass(frozen=True)
class Place:
    """Where the sample service's ports are. ``underlay`` has each host's tunnel address, ``tunnel`` is its ofport."""

    subscriber: End
    firewall_in: End
    firewall_out: End
    dpi: End
    gateway: End
    underlay: Mapping[str, str]
    tunnel: int

    def tables(self, lines: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """The text of each host."""
        return {host: _text(lines[host]) for host in self.underlay}

    def peers(self, host: str) -> list[str]:
        """Tunnel addresses of the others."""
        return [address for name, address in self.underlay.items() if name != host]

    def to(self, host: str, vni: int) -> str:
        """Actions that send through the tunnel."""
        return f"set_field:{vni}->tun_id,set_field:{self.underlay[host]}->tun_dst,output:{self.tunnel}"


WEB, WEB_BACK, OTHER, OTHER_BACK = 100, 101, 102, 103


def sample_chains(place: Place) -> dict[str, str]:
    """Both chains of the sample service: web over firewall, dpi and nat, other over firewall and nat."""
    lines = {host: [*entry(), *_arrivals(place, host)] for host in place.underlay}
    _add_subscriber(place, lines[place.subscriber.host])
    _add_gateway(place, lines[place.gateway.host])
    into, out = place.firewall_in, place.firewall_out
    firewall = lines[into.host]
    firewall += [*guard(into.ofport), *guard(out.ofport)]
    firewall += proxied(WEB, 255, into.ofport, out.ofport, 62)
    firewall += proxied(WEB_BACK, 254, out.ofport, into.ofport, 59)
    firewall += proxied(OTHER, 255, into.ofport, out.ofport, 62)
    firewall += proxied(OTHER_BACK, 255, out.ofport, into.ofport, 61)
    dpi = place.dpi
    for spi, si in ((WEB, 254), (WEB_BACK, 255)):
        hand_over = f"set_field:{dpi.mac}->eth_dst,set_field:02:ca:00:00:00:02->eth_src,output:{dpi.ofport}"
        back = (
            f"table=0,priority=200,in_port={dpi.ofport},dl_src={dpi.mac},dl_type=0x894f,nsh_spi={spi},nsh_si={si - 1}"
        )
        lines[dpi.host] += [
            f"{at(spi, si, O_BIT)},actions=set_field:{si - 1}->nsh_si,resubmit(,5)",
            f"{at(spi, si)},actions=encap(ethernet),{hand_over}",
            f"{back},actions=load:0->NXM_OF_IN_PORT[],decap(),resubmit(,5)",
        ]
    for here, spi, si, there in (
        (into.host, WEB, 254, dpi.host),
        (dpi.host, WEB, 253, place.gateway.host),
        (into.host, OTHER, 254, place.gateway.host),
        (place.gateway.host, WEB_BACK, 255, dpi.host),
        (dpi.host, WEB_BACK, 254, into.host),
        (place.gateway.host, OTHER_BACK, 255, into.host),
    ):
        lines[here].append(f"{at(spi, si)},actions={place.to(there, NSH_VNI)}")
    return place.tables(lines)


def _arrivals(place: Place, host: str) -> Iterator[str]:
    for peer in place.peers(host):
        yield (
            f"table=0,priority=200,in_port={place.tunnel},tun_src={peer},tun_id={NSH_VNI},{NSH},"
            "actions=load:0->NXM_OF_IN_PORT[],resubmit(,5)"
        )


def _add_subscriber(place: Place, lines: list[str]) -> None:
    one, far = place.subscriber, place.gateway
    lines += [*guard(one.ofport), f"table=0,priority=300,in_port={one.ofport},udp,tp_dst=4790,actions=drop"]
    lines += _answers(one, far)
    lines.append(
        f"table=0,priority=200,in_port={one.ofport},dl_src={one.mac},ip,nw_src={one.address},actions=resubmit(,1)"
    )
    tracked = "table=1,priority=95,ip,nw_frag=yes,ct_state=+trk"
    lines += [
        "table=1,priority=110,ip,nw_frag=yes,ct_state=-trk,actions=ct(table=1,zone=1)",
        f"table=1,priority=100,ip,nw_frag=yes,ct_state=+trk,ct_mark={WEB},actions={impose(WEB, 255, 63)}",
        f"{tracked},actions={impose(OTHER, 255, 63)}",
        f"table=1,priority=50,ip,actions={impose(OTHER, 255, 63)}",
    ]
    commit = f"ct(commit,zone=1,exec(set_field:{WEB}->ct_mark))"
    lines += [f"table=1,priority=90,tcp,tp_dst={p},actions={commit},{impose(WEB, 255, 63)}" for p in (80, 443)]
    home = f"set_field:{one.mac}->eth_dst,set_field:{far.mac}->eth_src,output:{one.ofport}"
    lines += [*ending(WEB_BACK, 253, home), *ending(OTHER_BACK, 254, home)]


def _add_gateway(place: Place, lines: list[str]) -> None:
    one, far = place.gateway, place.subscriber
    lines += [*guard(one.ofport), f"table=0,priority=300,in_port={one.ofport},udp,tp_dst=4790,actions=drop"]
    lines += _answers(one, far)
    lines.append(f"table=0,priority=200,in_port={one.ofport},dl_src={one.mac},ip,actions=ct(table=31,zone=31)")
    for spi, back, si in ((WEB, WEB_BACK, 253), (OTHER, OTHER_BACK, 254)):
        macs = f"set_field:{one.mac}->eth_dst,set_field:{far.mac}->eth_src"
        commit = f"ct(commit,zone=31,exec(set_field:{spi}->ct_mark))"
        lines += ending(spi, si, f"{macs},{commit},output:{one.ofport}")
        errors = f"table=30,priority=110,reg0={spi << 8 | si},icmp"
        lines += [f"{errors},icmp_type={kind},actions={macs},output:{one.ofport}" for kind in (3, 11)]
        lines.append(f"table=31,priority=100,ip,ct_mark={spi},actions={impose(back, 255, 63)}")
    unmarked = "ct_mark=0,ct_state=-inv+trk"
    lines += [f"table=31,priority=60,tcp,tp_src={p},{unmarked},actions={impose(WEB_BACK, 255, 63)}" for p in (80, 443)]
    lines.append(f"table=31,priority=50,ip,{unmarked},actions={impose(OTHER_BACK, 255, 63)}")


def plain_network(place: Place) -> dict[str, str]:
    """The subscriber and the gateway on one network over the same tunnels, and nothing between them."""
    lines: dict[str, list[str]] = {host: ["table=0,priority=0,actions=drop"] for host in place.underlay}
    for one, far in ((place.subscriber, place.gateway), (place.gateway, place.subscriber)):
        source = f"ip,nw_src={one.address}" if one is place.subscriber else "ip"
        lines[one.host] += [
            *guard(one.ofport),
            *_answers(one, far),
            f"table=0,priority=200,in_port={one.ofport},dl_src={one.mac},{source},actions=resubmit(,50)",
            f"table=50,priority=100,dl_dst={far.mac},actions={place.to(far.host, PLAIN_VNI)}",
            f"table=50,priority=100,dl_dst={one.mac},actions=output:{one.ofport}",
            f"table=0,priority=200,in_port={place.tunnel},tun_src={place.underlay[far.host]},tun_id={PLAIN_VNI},"
            "actions=resubmit(,50)",
        ]
    return place.tables(lines)


def _answers(one: End, far: End) -> list[str]:
    """The bridge answers for the far end's address (RFC 826)."""
    answer = (
        f"move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{far.mac}->eth_src,set_field:2->arp_op,"
        "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
        f"set_field:{far.mac}->arp_sha,set_field:{far.address}->arp_spa,in_port"
    )
    asked = f"in_port={one.ofport},dl_src={one.mac},arp,arp_op=1,arp_spa={one.address}"
    return [f"table=0,priority=200,{asked},arp_tpa={far.address},actions={answer}"]


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
