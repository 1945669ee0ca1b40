"""Connects to 127.0.0.1:PORT by MQTT over QUIC, pings, and disconnects."""

import asyncio
import ssl
import sys

from aioquic.asyncio import connect
from aioquic.quic.configuration import QuicConfiguration

CONNECT = bytes([0x10, 13, 0, 4]) + b"MQTT" + bytes([4, 2, 0, 60, 0, 1]) + b"a"


async def main(port):
    config = QuicConfiguration(alpn_protocols=["mqtt"], is_client=True, verify_mode=ssl.CERT_NONE)
    async with connect("127.0.0.1", port, configuration=config) as client:
        reader, writer = await client.create_stream()
        for name, packet, answer in [
            ("CONNACK", CONNECT, b"\x20\x02\x00\x00"),
            ("PINGRESP", b"\xc0\x00", b"\xd0\x00"),
        ]:
            writer.write(packet)
            got = await asyncio.wait_for(reader.readexactly(len(answer)), 5)
            if got != answer:
                sys.exit(f"got {got.hex()} for {name}")
            print(name)
        writer.write(b"\xe0\x00")
        rest = await asyncio.wait_for(reader.read(), 5)
        print("end of the stream" if rest == b"" else f"got {rest.hex()}")


asyncio.run(main(int(sys.argv[1])))
