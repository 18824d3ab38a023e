"""How the HRMedSeg paper counts operations; importing this registers it for benchmarks."""
from medseg.benchmark.references import Convention, register_convention
from medseg.benchmark.thop_convention import thop_macs

register_convention('HRMedSeg', Convention(1024, 1024, thop_macs,
                                           'MACs at 1024x1024 as thop counts them'))
