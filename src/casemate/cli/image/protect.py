from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._output import Json, note
from casemate.cli.image import _options
from casemate.cli.image._making import making
from casemate.cli.image._options import (
    Address,
    Arch,
    Capability,
    Container,
    Destination,
    Encrypt,
    Env,
    File,
    Hole,
    KeepEnv,
    KeyFile,
    Policy,
    PolicyOut,
    ReadOnly,
    Source,
    User,
    Volume,
    Writable,
)
from casemate.cli.manifest._options import RaTls, reference
from casemate.image import transport
from casemate.image.reading import choose


def protect(
    source: Source,
    destination: Destination,
    policy: Policy,
    encrypt: Encrypt = True,
    volume: Volume = None,
    hole: Hole = None,
    env: Env = None,
    keep_env: KeepEnv = None,
    file: File = None,
    ra_tls: RaTls = None,
    writable: Writable = "1G",
    read_only: ReadOnly = False,
    user_: User = None,
    capability: Capability = None,
    key_file: KeyFile = None,
    policy_out: PolicyOut = None,
    container: Container = False,
    address: Address = None,
    arch: Arch = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Make a protected image of an ordinary one: the same layers, sealed; the same program, under the shield.

    Labels, ports and the signal to stop stay visible; all else becomes the launch manifest, and the layers' content
    is only to be read with the image key. The same input and key give the same image: what did not change is not sent
    again. Example: `casemate image protect oci:api:1 oci:api:1-protected --policy acme/records#api
    --volume records:/data --policy-out records.yaml`
    """
    makes = making(
        *reference(policy), custodian=custodian, who=who, destination=destination, policy_out=policy_out,
        addresses=address or [], containers=container, as_json=as_json,
    )  # fmt: skip
    places = _options.volumes(volume or [])
    wanted = makes.wanted(
        encrypt=encrypt,
        writable=writable,
        read_only=read_only,
        volumes=places,
        hole=hole,
        env=env,
        keep_env=keep_env,
        file=file,
        ra_tls=ra_tls,
        capability=capability,
        user=user_,
    )
    with TemporaryDirectory(prefix="casemate-image-") as folder:
        scratch = Path(folder)
        with transport.open_source(source, scratch=scratch) as opened:
            read = choose(opened, _options.architecture(arch))
            if read.passed_by and not as_json:
                note(f"Not protected, because --arch says which one is meant: {', '.join(read.passed_by)}")
            makes.say(makes.make(read.original(), wanted, places, key_file, scratch))
