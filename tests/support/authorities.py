# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certification authorities, good and bad ones, for tests."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Callable
from unittest import mock

from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
NAME = "mx1.example.test"


def new_key(size: int = 0) -> Any:
    """An EC key, or an RSA key where a size is given."""
    return rsa.generate_private_key(65537, size) if size else ec.generate_private_key(ec.SECP256R1())


def distinguished(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def key_pem(key: Any, passphrase: bytes = b"") -> bytes:
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    text: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    return text


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    """The outside judge."""
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


class Authority:
    """A CA: a root, or below another one."""

    def __init__(
        self, name: str = "Test Root", above: Authority | None = None, *, key: Any = None, **options: Any
    ) -> None:
        self.key = key or new_key()
        self.subject = distinguished(name)
        self.above = above
        signer = above or self
        self.certificate = signer.certify(self.key.public_key(), self.subject, (), ca=True, **options)

    def certify(
        self,
        public_key: Any,
        subject: x509.Name,
        names: tuple[str, ...] = (NAME,),
        *,
        ca: bool = False,
        not_before: datetime.datetime = NOW - DAY,
        not_after: datetime.datetime = NOW + 90 * DAY,
        purposes: tuple[Any, ...] | None = (ExtendedKeyUsageOID.SERVER_AUTH,),
        usage: tuple[str, ...] | None = None,
        digest: Any = None,
        serial: int = 0,
        must_staple: bool = False,
    ) -> x509.Certificate:
        """A certificate with just the faults that are asked for."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(public_key)
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(not_before.replace(tzinfo=None))
            .not_valid_after(not_after.replace(tzinfo=None))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        if purposes and not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if usage:
            every = (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            )
            builder = builder.add_extension(x509.KeyUsage(**{one: one in usage for one in every}), critical=True)
        if must_staple:
            builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
        return builder.sign(self.key, digest or hashes.SHA256())

    def certify_with_sha1(self, key: Any, common_name: str, extensions: str) -> x509.Certificate:
        """A certificate that new versions of cryptography refuse to make; its extensions in OpenSSL's words."""
        with tempfile.TemporaryDirectory() as directory:
            files = {"ca.pem": pem(self.certificate), "ca.key": key_pem(self.key), "key": key_pem(key)}
            for name, content in {**files, "ext": extensions.encode()}.items():
                Path(directory, name).write_bytes(content)
            request = openssl("req", "-new", "-key", f"{directory}/key", "-subj", f"/CN={common_name}")
            signer = ("-CA", f"{directory}/ca.pem", "-CAkey", f"{directory}/ca.key", "-CAcreateserial")
            answer = openssl("x509", "-req", "-sha1", "-extfile", f"{directory}/ext", *signer, stdin=request)
        return x509.load_pem_x509_certificate(answer)

    def answer(self, csr: str, **options: Any) -> x509.Certificate:
        """What the CA makes of a request; it takes key and names from it and, as some CAs do, little of the subject."""
        request = x509.load_pem_x509_csr(csr.encode())
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        options.setdefault("names", tuple(found.get_values_for_type(x509.DNSName)))
        common_name = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return self.certify(request.public_key(), distinguished(str(common_name)), **options)


def undocumented(result: Any, documented: dict[str, Any], where: str = "") -> list[str]:
    """Keys of a result that its RETURN block does not have, or has with another type."""
    types = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}
    wrong = []
    for key, value in result.items():
        if key not in documented or not (value is None or isinstance(value, types[documented[key]["type"]])):
            wrong.append(where + key)
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                wrong += undocumented(one, documented[key].get("contains", {}), f"{where}{key}.")
    return wrong


def snapshot(directory: Path) -> dict[str, tuple[Any, ...]]:
    """Everything about the files below a directory that a run could change."""
    found = {}
    for path in sorted(directory.rglob("*")):
        state = os.lstat(path)
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (state.st_ino, state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns, content)
    return found


def call(main: Callable[[], None], capsys: Any, params: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
    """Run a module in this process and give its result."""
    arguments = {key: str(value) if isinstance(value, Path) else value for key, value in params.items()}
    arguments.update(_ansible_check_mode=check, _ansible_diff=True, _ansible_remote_tmp="/tmp")
    capsys.readouterr()
    warnings._global_warnings.clear()  # a process is one module to Ansible: it would tell those of earlier tests again
    # tests of filters beside these have loaded code of the control node, and warnings would go to its terminal
    on_the_host = mock.patch("ansible.module_utils._internal.is_controller", False)
    with on_the_host, patch_module_args(arguments), contextlib.suppress(SystemExit):
        main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    result.pop("invocation", None)
    return result
