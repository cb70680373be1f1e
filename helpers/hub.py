"""Check, before anything is downloaded, that a profile's base model and data are available.

The token, where one is needed, is found by huggingface_hub itself (HF_TOKEN in the environment, or
Colab's secrets). Nothing here reads it, and no message repeats what the hub's client said.
"""

import re
from dataclasses import replace
from pathlib import Path

from helpers import base_model, catalogue, environment
from helpers.profiles import T4, Profile

INSTEAD = 'Without the hub: profile_name = "pocket".'
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
TIMEOUT = 20  # seconds without an answer
TOKENS = "https://huggingface.co/settings/tokens"
REFUSED = {  # the status of the hub's answer: what it means here
    401: f"the hub does not know your token. Make another at {TOKENS}, or remove HF_TOKEN.",
    403: f"your token may not read it. Give the token read access at {TOKENS}.",
    429: "the hub has had too many requests from here. Wait some minutes, then run this again.",
}
NOTICEABLE = 10**7  # bytes: a smaller download shows no progress bar


class Unavailable(OSError):
    """Something on the hub is not available; the message says why, and what to use instead."""


def resolve(profile: Profile) -> Profile:
    """`profile` with the exact revisions of its base and data, once they are known to be available.

    Hub revisions become commit hashes, shipped files get their SHA-256, and a local folder keeps the
    revision it had. Nothing is downloaded. Raises Unavailable when something is gated, gone,
    misspelled or out of reach, and OSError when the disk has too little room for what is missing.
    """
    from huggingface_hub.utils import enable_progress_bars

    base, data = profile.base_revision, profile.data_revision
    missing = 0
    if profile.base == base_model.POCKET:
        base = f"sha256 {catalogue.shipped_sha256('pocket-llama/model.safetensors')}"
    elif not Path(profile.base).is_dir():
        base, files = look_up(profile.base, "model", base)
        if not weights(files):
            raise Unavailable(f"{profile.base} has no weights in safetensors files. {INSTEAD}")
        missing += missing_bytes(profile.base, "model", base, weights(files))
    if profile.data == catalogue.POCKET:
        data = f"sha256 {catalogue.shipped_sha256('train.jsonl')}"
    elif not Path(profile.data).is_dir():
        data, files = look_up(profile.data, "dataset", data)
        missing += missing_bytes(profile.data, "dataset", data, files)
    if missing:
        environment.check_disk(missing, cache_folder())
    if missing > NOTICEABLE:
        enable_progress_bars()  # `environment.start` turned them off
    return replace(profile, base_revision=base, data_revision=data)


def look_up(name: str, kind: str, revision: str | None = None) -> tuple[str, dict[str, int]]:
    """(commit, {file: bytes}) of the hub's `name` at `revision`, once we know that we may read it.

    kind: "model" or "dataset". The commit has 40 hex digits. Raises Unavailable.
    """
    from huggingface_hub import HfApi, errors

    page = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name}"
    api = HfApi()
    try:
        info = api.repo_info(
            name, repo_type=kind, revision=revision, timeout=TIMEOUT, files_metadata=True
        )
        api.auth_check(name, repo_type=kind)  # has no timeout of its own, so it comes second
        return info.sha, {file.rfilename: file.size or 0 for file in info.siblings or []}
    except errors.GatedRepoError:
        why = (
            f"{name} is gated: accept its licence at {page}, and put a token that may read it into "
            f"HF_TOKEN (the environment, or Colab's secrets: the key symbol on the left)."
        )
        if kind == "model":
            why += f' Without a gate: changes = {{"base": "{T4.base}"}}.'
    except errors.RevisionNotFoundError:
        why = f"{name} has no revision {revision!r}; see {page}/commits/main."
    except errors.RepositoryNotFoundError:
        why = f"The hub shows no {kind} {name}: it is misspelled, moved, gone or private."
    except errors.HFValidationError:
        why = f"{name!r} is neither a folder here nor a name on the hub (owner/name)."
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        why = REFUSED.get(status, f"the hub itself has a problem ({status}). Try again later.")
        why = f"{name}: {why}"
    except Exception as error:  # the connection, in one of its many ways
        why = f"The hub cannot be reached for {name} ({type(error).__name__}): are you online?"
    raise Unavailable(f"{why} {INSTEAD}")


def weights(files: dict[str, int]) -> dict[str, int]:
    """Of a model's `files`, {file: bytes}, the weights that are loaded: one file, or all shards."""
    if base_model.WEIGHTS in files:
        return {base_model.WEIGHTS: files[base_model.WEIGHTS]}
    return {name: size for name, size in files.items() if SHARD.fullmatch(name)}


def missing_bytes(name: str, kind: str, commit: str, files: dict[str, int]) -> int:
    """How many bytes of `files`, {file: bytes}, are not in the hub's cache at this commit."""
    from huggingface_hub import try_to_load_from_cache

    def is_here(file):
        found = try_to_load_from_cache(name, file, revision=commit, repo_type=kind)
        return isinstance(found, str)

    return sum(size for file, size in files.items() if not is_here(file))


def cache_folder() -> Path:
    """The folder that downloads go to, or the nearest folder above it that exists."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    return next(place for place in (folder, *folder.parents) if place.exists())
