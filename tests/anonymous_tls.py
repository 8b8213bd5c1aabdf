"""A pair of connected streams of TLS without certificates, whose server's side says only what a test has it say."""

from __future__ import annotations

import asyncio
import socket
import ssl


def _context(side: int) -> ssl.SSLContext:
    """Anonymous key exchange: a handshake that needs no certificate, good for tests alone."""
    context = ssl.SSLContext(side)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")
    if side == ssl.PROTOCOL_TLS_CLIENT:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter, ssl.SSLSocket]:
    """A client's streams, and the socket of a server that answers nothing by itself, no goodbye either."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    def shake_hands() -> ssl.SSLSocket:
        return _context(ssl.PROTOCOL_TLS_SERVER).wrap_socket(theirs, server_side=True)

    peer = asyncio.create_task(asyncio.to_thread(shake_hands))
    client = _context(ssl.PROTOCOL_TLS_CLIENT)
    reader, writer = await asyncio.open_connection(sock=ours, ssl=client, server_hostname="")
    return reader, writer, await peer
