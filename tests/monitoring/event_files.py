"""TensorBoard's event files, read without our code or TensorBoard's.

The format is TensorFlow's: records of length, checksum of the length, bytes,
checksum of the bytes; the bytes are an Event in protobuf's wire format.
"""

import struct


def crc32c(data):
    """Castagnoli's, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    """The bytes of each record; raises where a checksum or the end is wrong."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        length, of_length = struct.unpack_from("<QI", data, at)
        if of_length != masked(data[at:at + 8]):
            raise ValueError(f"{path} at {at}: checksum of the length")
        record = data[at + 12:at + 12 + length]
        (of_record,) = struct.unpack_from("<I", data, at + 12 + length)
        if of_record != masked(record):
            raise ValueError(f"{path} at {at}: checksum of the record")
        yield record
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of each field: an int, or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


class Event:
    """Fields by the numbers of tensorboard/compat/proto."""

    def __init__(self, data):
        self.wall_time = 0.0
        self.step = 0
        self.file_version = ""
        self.starts = False
        self.scalars = {}
        self.texts = {}
        for number, value in fields(data):
            if number == 1:
                (self.wall_time,) = struct.unpack("<d", value)
            elif number == 2:
                self.step = value
            elif number == 3:
                self.file_version = value.decode()
            elif number == 5:
                for inner, one in fields(value):
                    assert inner == 1
                    self._add(dict(fields(one)))
            elif number == 7:
                self.starts = dict(fields(value)).get(1) == 1

    def _add(self, value):
        tag = value[1].decode()
        if 2 in value:
            (self.scalars[tag],) = struct.unpack("<f", value[2])
            return
        tensor = dict(fields(value[8]))
        plugin = dict(fields(dict(fields(value[9]))[1]))[1]
        assert (tensor[1], plugin) == (7, b"text"), (tag, tensor, plugin)
        self.texts[tag] = tensor[8].decode()


def events(folder):
    """All events of a folder in the order in which TensorBoard reads them."""
    for path in sorted(folder.glob("*tfevents*")):
        for record in records(path):
            yield Event(record)


def shown(all_events):
    """{tag: [(step, value)]} as TensorBoard shows them: a START that is not the
    first makes it forget its step and later ones."""
    points = {}
    started = False
    for event in all_events:
        if event.starts:
            if started:
                for tag, old in points.items():
                    points[tag] = [p for p in old if p[0] < event.step]
            started = True
        for tag, value in (event.scalars | event.texts).items():
            points.setdefault(tag, []).append((event.step, value))
    return points
