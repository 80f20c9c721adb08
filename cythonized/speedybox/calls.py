"""SpeedyBox's four calls (its Figure 2) for NFs written in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nfverify.cythonized.speedybox.library import Action, Args, Go, Payload, loaded
from nfverify.cythonized.speedybox.packet import Packet

if TYPE_CHECKING:
    from nfverify.cythonized.speedybox.box import Box

Handler = Callable[..., Go | None]
Condition = Callable[..., bool]
Update = Callable[..., None]
MAX_ARGUMENTS = 3
NUMBER = (1 << 28) - 1  # of a handler, in the first word of what C keeps; above: the update's
UPDATE = 28
COUNT = 60  # and the number of arguments


class Fid(int):
    """The number of a flow in its chain."""

    box: Box


def nf_extract_fid(packet: Packet) -> Fid:
    """The number of the packet's flow, the same for all NFs of the chain; negative if nothing is
    recorded of it, which the other calls take."""
    fid = Fid(loaded().nf_packet_fid(packet.pointer))
    fid.box = packet.box
    return fid


def localmat_add_HA(fid: Fid, action: Action, *args: int) -> None:
    """The NF does this to the header of all packets of the flow."""
    loaded().nf_add_HA(fid, action, Args((*args,)))


def localmat_add_SF(fid: Fid, handler: Handler, type_: Payload, *args: int) -> None:
    """The NF calls `handler(packet, *args)` for all packets of the flow. Handlers are functions or
    methods made once, not for each flow: what differs goes into up to three `args` of 64 bits."""
    number = fid.box.handler(handler)
    loaded().nf_add_SF(fid, fid.box.function, type_, _arguments(number, args))


def register_event(
    fid: Fid,
    condition: Condition,
    args: tuple[int, ...] = (),
    update_action: Action = Action.NONE,
    update: Update | None = None,
) -> None:
    """Before each packet of the flow, `condition(packet, *args)` is asked. When it holds, the
    NF's header actions are replaced by `update_action`, or its row is what `update(packet, *args)`
    writes by these calls. With neither, the NF sees the packet itself."""
    box = fid.box
    numbers = box.handler(condition) | (box.handler(update) << UPDATE if update else 0)
    with_update = box.update if update else box.no_update
    loaded().nf_add_event(fid, box.condition, _arguments(numbers, args), update_action, with_update)


def _arguments(first: int, args: tuple[int, ...]) -> Args:
    if len(args) > MAX_ARGUMENTS:
        raise ValueError(f"{len(args)} arguments; handlers take at most {MAX_ARGUMENTS}")
    made = Args()
    made.at[0] = first | len(args) << COUNT
    for i, value in enumerate(args, 1):
        made.at[i] = value
    return made
