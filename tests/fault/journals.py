"""The rollouts of a run's journals, read without the program that wrote them:
trainer/experience/rollout_journal.h has the form of the file, rollout.proto
that of the records."""

import dataclasses
import struct

# Of BatchHeader, Rollout and ModelVersion.
HEADER_UPDATE, HEADER_PM = 1, 2
ROLLOUT_ID, ROLLOUT_PM = 1, 11
VERSION = 1
_LENGTH = struct.Struct("<IQ")  # of a record, and the hash of its bytes
_FIXED = {1: 8, 5: 4}


@dataclasses.dataclass(frozen=True)
class Batch:
    """What was sampled for one update."""
    update: int
    pm: int
    rollouts: list  # (rollout_id, version of the PM)


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """{number: value} of a message: an int or bytes, the last of each."""
    found, at = {}, 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
        else:
            size = _FIXED.get(kind)
            if size is None:
                size, at = _varint(data, at)
            value, at = data[at:at + size], at + size
        found[key >> 3] = value
    return found


def _records(data):
    """The whole ones: a crash may have cut off the last."""
    at = 0
    while at + _LENGTH.size <= len(data):
        size, _ = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + size <= len(data):
            yield fields(data[at:at + size])
        at += size


def read_batch(data):
    """A journal's Batch; None if it has no header yet."""
    header, *rollouts = list(_records(data)) or [None]
    if header is None:
        return None

    def pm(record, number):
        return fields(record.get(number, b"")).get(VERSION, 0)

    return Batch(header[HEADER_UPDATE], pm(header, HEADER_PM),
                 [(r[ROLLOUT_ID].decode(), pm(r, ROLLOUT_PM))
                  for r in rollouts])


def read_batches(directory):
    """Those of all updates of a run, in order."""
    found = [read_batch(path.read_bytes())
             for path in sorted((directory / "rollouts").glob("*.pb"))]
    return [batch for batch in found if batch is not None]
