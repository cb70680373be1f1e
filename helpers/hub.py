"""Is everything there that a profile loads? Asked first, answered in a sentence.

The token, where one is needed, is found by huggingface_hub itself (HF_TOKEN in the environment, or
Colab's secrets). Nothing here reads it, and no message repeats what the hub's client said.
"""

from dataclasses import replace
from pathlib import Path

from helpers import base_model, catalogue
from helpers.profiles import T4, Profile
from helpers.sizing import check_disk

INSTEAD = 'Without the hub: PROFILE = "pocket".'


class Unavailable(OSError):
    """Something on the hub cannot be had; the message says why, and what to take instead."""


def resolve(profile: Profile) -> Profile:
    """`profile` with the revisions that its base and data have today, after asking for access.

    A commit for what is on the hub, the sha256 for what is shipped, as it was for a folder.
    Nothing is downloaded. Raises Unavailable when something is gated, gone, misspelt or out of
    reach, and OSError when the disk has no room for it.
    """
    from huggingface_hub.utils import enable_progress_bars

    base, data = profile.base_revision, profile.data_revision
    if profile.base == base_model.POCKET:
        base = f"sha256 {catalogue.shipped_sha256('pocket-llama/model.safetensors')}"
    elif not Path(profile.base).is_dir():
        base = commit_of(profile.base, "model", base)
    if profile.data == catalogue.POCKET:
        data = f"sha256 {catalogue.shipped_sha256('train.jsonl')}"
    elif not Path(profile.data).is_dir():
        data = commit_of(profile.data, "dataset", data)
    if profile.disk_gb and not is_downloaded(profile.base):
        check_disk(int(profile.disk_gb * 1e9), cache_folder())
        enable_progress_bars()  # `environment.start` turned them off; gigabytes are seen to arrive
    return replace(profile, base_revision=base, data_revision=data)


def commit_of(name: str, kind: str, revision: str | None = None) -> str:
    """The commit (40 hex digits) of the hub's `name` at `revision`, once we know that we may read it.

    kind: "model" or "dataset". Raises Unavailable.
    """
    from huggingface_hub import HfApi, errors

    page = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name}"
    api = HfApi()
    try:
        api.auth_check(name, repo_type=kind)
        return api.repo_info(name, repo_type=kind, revision=revision, timeout=20).sha
    except errors.GatedRepoError:
        why = (
            f"{name} is gated: accept its licence at {page}, and put a token that may read it into "
            f"HF_TOKEN (the environment, or Colab's secrets: the key symbol on the left)."
        )
        if kind == "model":
            why += f' Without a gate: CHANGES = {{"base": "{T4.base}"}}.'
    except errors.RevisionNotFoundError:
        why = f"{name} has no revision {revision!r}; see {page}/commits/main."
    except errors.RepositoryNotFoundError:
        why = f"The hub has no {kind} {name} that you may see: misspelt, moved, gone or private."
    except errors.HFValidationError:
        why = f"{name!r} is neither a folder here nor a name on the hub (owner/name)."
    except Exception as error:  # the connection, in one of its many ways
        why = f"The hub cannot be reached for {name} ({type(error).__name__}): are you online?"
    raise Unavailable(f"{why} {INSTEAD}") from None


def cache_folder() -> Path:
    """Where downloads go, or the nearest folder above that exists."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    return next(place for place in (folder, *folder.parents) if place.exists())


def is_downloaded(name: str) -> bool:
    """True if the model `name` lies in the cache, or in a folder, already."""
    from huggingface_hub import try_to_load_from_cache

    return Path(name).is_dir() or isinstance(try_to_load_from_cache(name, "config.json"), str)
