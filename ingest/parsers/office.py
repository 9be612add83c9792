"""Old Word and PowerPoint files, turned by LibreOffice into new ones, where it is installed, and read as those.

Rule: LibreOffice is a stranger here. It works in a folder of its own, with a profile of its own in which no macro runs
and no link is updated, without the user's settings, environment, printers and network, within the limits, and it is
gone with the folder when it is done or when it takes too long.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from ingest.errors import EncryptedFile, TooLarge, UnreadableFile
from ingest.limits import Limits
from ingest.packages import ENCRYPTED, is_encrypted
from ingest.parsers import docx, pptx
from ingest.programs import TimedOut, run
from ingest.types import Document

NAME = "office"
VERSION = 1 + docx.VERSION + pptx.VERSION  # greater when one of them is

_PROGRAMS = ("soffice", "libreoffice")
_TIME_SHARE = 0.8  # of the time for a file; the rest is for reading the result
_MEMORY_BYTES = 2_000_000_000  # at least, of address space; LibreOffice 7.4 turned small files with 1 GB
_SECTOR = 512
_WORD_SIGN = b"\xec\xa5"  # MS-DOC, 2.5.2: the begin of the document's stream, …
_ENCRYPTED_WORD = 0x0100  # … and a bit of the flags 10 bytes behind it
_ENCRYPTED_SHOW = re.compile(rb"\x00\x00\xf6\x0f.{4}\x14\x00\x00\x00\xdf\xc4\xd1\xf3", re.DOTALL)  # MS-PPT, 2.3.2
_SHOW_STREAM = "PowerPoint Document".encode("utf-16-le")
_SETTINGS = {
    "org.openoffice.Office.Common/Security/Scripting": {
        "DisableMacrosExecution": "true",
        "MacroSecurityLevel": "3",
        "DisableActiveContent": "true",
        "BlockUntrustedRefererLinks": "true",  # pictures and objects that lie elsewhere
    },
    "org.openoffice.Office.Writer/Content/Update": {"Link": "2", "Field": "false", "Chart": "false"},  # 2: never
    "org.openoffice.Office.Calc/Content/Update": {"Link": "2"},
    "org.openoffice.Office.Impress/Misc": {"TemplateManager": "false"},
    "org.openoffice.Inet/Settings": {
        "ooInetProxyType": "1",
        "ooInetHTTPProxyName": "127.0.0.1",
        "ooInetHTTPProxyPort": "9",  # where nobody listens
        "ooInetHTTPSProxyName": "127.0.0.1",
        "ooInetHTTPSProxyPort": "9",
        "ooInetFTPProxyName": "127.0.0.1",
        "ooInetFTPProxyPort": "9",
        "ooInetNoProxy": "",
    },
}


def is_available() -> bool:
    """Whether LibreOffice is installed."""
    return _program() is not None


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The document in its new form. Raises EncryptedFile, TooLarge, UnreadableFile."""
    is_show = _SHOW_STREAM in data
    if is_encrypted(data) or (_ENCRYPTED_SHOW.search(data) if is_show else _is_encrypted_word(data)):
        raise EncryptedFile(ENCRYPTED)
    kind, suffix = ("PowerPoint", "pptx") if is_show else ("Word", "docx")
    program = _program()
    if program is None:
        raise UnreadableFile(f"old {kind} format: install LibreOffice, or save it as .{suffix}")
    converted = _converted(data, program, kind, suffix, limits)
    if is_show:
        document = pptx.parse(converted, name=name, limits=limits)
    else:
        document = docx.parse(converted, name=name, limits=limits)
    return replace(document, parser=NAME, parser_version=VERSION)


def _program() -> str | None:
    found = (shutil.which(name) for name in _PROGRAMS) if os.name == "posix" else iter(())
    return next((program for program in found if program is not None), None)


def _is_encrypted_word(data: bytes) -> bool:
    for at in range(_SECTOR, len(data) - 12, _SECTOR):
        if data.startswith(_WORD_SIGN, at):
            return bool(int.from_bytes(data[at + 10 : at + 12], "little") & _ENCRYPTED_WORD)
    return False


def _converted(data: bytes, program: str, kind: str, suffix: str, limits: Limits) -> bytes:
    """The file in its new format."""
    with tempfile.TemporaryDirectory(prefix="lifelong-office-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        profile = folder / "profile"
        (profile / "user").mkdir(parents=True)
        (profile / "user" / "registrymodifications.xcu").write_text(_settings(), encoding="utf-8")
        source, result = folder / f"file.{suffix[:3]}", folder / "out" / f"file.{suffix}"
        source.write_bytes(data)
        command = [
            program,
            f"-env:UserInstallation={profile.as_uri()}",
            *("--headless", "--invisible", "--norestore", "--nolockcheck", "--nodefault", "--nologo"),
            *("--convert-to", suffix, "--outdir", str(result.parent), str(source)),
        ]
        timeout_s = _TIME_SHARE * limits.timeout_s
        try:
            run(
                command,
                folder=folder,
                environment=_environment(folder),
                timeout_s=timeout_s,
                memory_bytes=None if limits.memory_bytes is None else max(limits.memory_bytes, _MEMORY_BYTES),
                file_bytes=limits.max_unpacked_bytes,
            )
        except TimedOut as error:
            raise UnreadableFile(
                f"LibreOffice took longer than {timeout_s:.3g} s to read it: save it as .{suffix}"
            ) from error
        except OSError as error:
            raise UnreadableFile(f"LibreOffice could not be started: save it as .{suffix}") from error
        try:
            size = result.stat().st_size
        except OSError as error:
            raise UnreadableFile(f"damaged {kind} file: open it in {kind} or LibreOffice and save it anew") from error
        if size >= limits.max_unpacked_bytes:
            raise TooLarge(f"over {limits.max_unpacked_bytes / 1e6:.0f} MB in its new format: split the file")
        return result.read_bytes()


def _settings() -> str:
    items = "".join(
        f'<item oor:path="/{path}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>'
        for path, values in _SETTINGS.items()
        for name, value in values.items()
    )
    return f'<oor:items xmlns:oor="http://openoffice.org/2001/registry">{items}</oor:items>'


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the user's."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LC_ALL": "C.UTF-8",
        "SAL_USE_VCLPLUGIN": "svp",  # draws into memory
        "SAL_DISABLE_OPENCL": "1",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
