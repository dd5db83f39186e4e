"""A worker's TLS: one context, whose certificate is replaced while it serves (spec/ra-tls.md)."""

from __future__ import annotations

import os
import ssl

from casemate.custodian.keys.tls import TlsSecret

__all__ = ["ServerTls"]


class ServerTls:
    """`context` for connections to come; those that are open keep the certificate that they began with."""

    def __init__(self, secret: TlsSecret) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        # A resumed session would show a certificate that was replaced.
        self.context.options |= ssl.OP_NO_TICKET
        self.context.num_tickets = 0
        self.replace(secret)

    def replace(self, secret: TlsSecret) -> None:
        # The library reads files only; this one is in memory, and nobody else's.
        descriptor = os.memfd_create("casemate-tls")
        try:
            os.write(descriptor, secret.key + secret.certificate)
            self.context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
