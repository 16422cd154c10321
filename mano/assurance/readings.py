"""What conditions on a VNF are about: the numbers that its VNFCs tell, and what is measured of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from mano.assurance.indicators import BUILT_IN, MEMORY_BYTES, RUNNING_VNFCS
from mano.assurance.measuring import Measuring, Round
from mano.domain.auto_scaling import Reading
from mano.domain.performance import LATENCY, METRICS
from mano.domain.vnf_instance import VnfInstance
from mano.errors import CatenaError
from mano.ports.clock import Clock
from mano.ports.metering import Meter
from mano.ports.repositories import UnitOfWorkFactory

METRIC_NAMES = tuple(metric.name for metric in METRICS["Vnfc"])


class Readings:
    """Reads values under the names of indicators and of performance metrics.

    An indicator is the sum over the VNFCs, as ``/vnfind/v1`` tells it; a metric of a mean is the mean of the VNFCs. A
    condition's method takes another way.
    """

    def __init__(
        self, open_unit: UnitOfWorkFactory, meters: Mapping[str, Meter], measuring: Measuring, clock: Clock
    ) -> None:
        self._open_unit = open_unit
        self._meters = meters
        self._measuring = measuring
        self._clock = clock

    def of(self, vnf: VnfInstance, names: Collection[str], reader: str) -> Mapping[str, Reading]:
        """What of these names can be read now. ``reader`` tells whose means are taken since its last reading."""
        return dict(self._read(vnf, names, reader))

    def of_service(self, ns_instance_id: str, names: Collection[str], reader: str) -> Mapping[str, Reading]:
        """What of these names is measured of the chains of a network service: one value for each chain."""
        metrics = [name for name in names if name == LATENCY.name]
        if not metrics:
            return {}
        now = Round(self._clock.now(), self._clock.monotonic())
        samples = self._measuring.samples(reader, "Ns", ns_instance_id, (), metrics, now)
        return {name: Reading(tuple(one.value for one in samples if one.metric == name), "maximum") for name in metrics}

    def _read(self, vnf: VnfInstance, names: Collection[str], reader: str) -> Iterator[tuple[str, Reading]]:
        metrics = [name for name in METRIC_NAMES if name in names]
        if set(names) & set(BUILT_IN):
            yield from self._built_in(vnf, reader)
        if metrics:
            now = Round(self._clock.now(), self._clock.monotonic())
            samples = self._measuring.samples(reader, "Vnfc", vnf.id, (), metrics, now)
            for name in metrics:
                values = tuple(sample.value for sample in samples if sample.metric == name)
                yield name, Reading(values, "average" if name.endswith("MeanVnf") else "sum")
        told = [name for name in names if name not in BUILT_IN and name not in METRIC_NAMES]
        if told:
            values_of = list(self._told(vnf))
            for name in told:
                yield name, Reading(tuple(values[name] for values in values_of if name in values))

    def _built_in(self, vnf: VnfInstance, reader: str) -> Iterator[tuple[str, Reading]]:
        now = Round(self._clock.now(), self._clock.monotonic())
        samples = self._measuring.samples(f"{reader} built-in", "Vnfc", vnf.id, (), ("VMemoryBytesVnf",), now)
        yield RUNNING_VNFCS, Reading((float(len(samples)),))
        yield MEMORY_BYTES, Reading(tuple(sample.value for sample in samples))

    def _told(self, vnf: VnfInstance) -> Iterator[Mapping[str, float]]:
        with self._open_unit(read_only=True) as uow:
            vims = {stored.host.name: stored.vim_id for stored in uow.hosts.list()}
        for vnfc in vnf.vnfcs:
            meter = self._meters.get(vims.get(vnfc.host, ""))
            if meter is None:
                continue
            try:
                yield meter.compute_values(vnfc.compute_id, vnfc.host)
            except CatenaError:  # it does not run: it tells nothing
                continue
