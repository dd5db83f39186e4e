"""What an admitted workload gets: the service's templates, rendered (spec/protocol.md, "Attestation and release")."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from casemate.errors import DeniedError, TemplateError
from casemate.policy._fit import misfit
from casemate.policy._services import MAX_HOLE_BYTES
from casemate.policy.model import Filling, MountedVolume, Service
from casemate.policy.templates import SecretReference
from casemate.wire.fields import b64u_decode
from casemate.wire.manifest import Hole, Manifest
from casemate.wire.patterns import Pattern
from casemate.wire.release import Configuration, ConfiguredFile, ConfiguredVolume

__all__ = ["Lookup", "VolumeKeys", "configure"]

Lookup = Callable[[SecretReference], bytes]
VolumeKeys = Callable[[str], bytes]
"""Name of a volume → its key, 32 bytes."""


def configure(service: Service, manifest: Manifest, lookup: Lookup, volume_key: VolumeKeys) -> Configuration:
    """Holes, files, volumes and user for `manifest`; `lookup` gives the bytes of a secret's part.

    `DeniedError` where the service does not fit the manifest (a secret in an argument, for one), `TemplateError` for
    a value that no hole can take, `TooLargeError`. No error shows a value.
    """
    if (found := misfit(service, manifest)) is not None:
        raise DeniedError(
            "the policy does not fit the manifest",
            step="configuration.fits",
            expected=found.expected,
            got=found.got,
            remedy=found.remedy,
        )
    files = [
        ConfiguredFile(path=path, content=file.filling.template.render(lookup), mode=file.mode)
        for path, file in sorted(service.files.items())
    ]
    holes = _holes(service.holes, manifest.holes, lookup)
    volumes = [_volume(path, mounted, volume_key) for path, mounted in sorted(service.volumes.items())]
    return Configuration(
        casemate_configuration=1,
        holes=holes,
        files=files,
        volumes=volumes or None,
        image_key=_key(service.image_key, lookup),
        output_key=_key(service.output_key, lookup),
        user=service.user,
    )


def _key(secret: str | None, lookup: Lookup) -> bytes | None:
    return None if secret is None else b64u_decode(lookup(SecretReference(secret, None)).decode("ascii"))


def _volume(path: str, mounted: MountedVolume, volume_key: VolumeKeys) -> ConfiguredVolume:
    volume = mounted.volume
    return ConfiguredVolume(
        path=path,
        volume=volume.name,
        mode=mounted.mode,
        freshness=volume.freshness,
        root=volume.root,
        interval_ms=volume.interval_ms,
        key=volume_key(volume.name),
    )


def _holes(fillings: Mapping[str, Filling], holes: Mapping[str, Hole], lookup: Lookup) -> dict[str, str]:
    return {
        name: _hole(name, holes[name].pattern, filling.template.render(lookup))
        for name, filling in sorted(fillings.items())
    }


def _hole(name: str, pattern: str, value: bytes) -> str:
    if len(value) > MAX_HOLE_BYTES:
        raise _refused(name, f"at most {MAX_HOLE_BYTES} bytes", f"{len(value)} bytes")
    if 0 in value:
        raise _refused(name, "text without NUL", "a NUL")
    text = _decoded(value)
    if text is None:
        raise _refused(name, "text in UTF-8", "other bytes")
    if not Pattern.parse(pattern).matches(text):
        # The shield would refuse the release, and could not tell that the custodian was genuine.
        remedy = "change the value, or the hole's pattern in the manifest"
        raise _refused(name, f"what matches {pattern}", "a value that does not", remedy)
    return text


def _decoded(value: bytes) -> str | None:
    # Nothing is raised from here: the decoder's own error would carry the value.
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _refused(name: str, expected: str, got: str, remedy: str = "use a file") -> TemplateError:
    return TemplateError(
        f"the hole {name} cannot take this value", step="template.hole", expected=expected, got=got, remedy=remedy
    )
