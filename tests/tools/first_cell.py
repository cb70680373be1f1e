"""The first code cell of every lesson. This is its only source: `make links` writes it into them.

In Colab the cell finds out which repository and ref its notebook was opened from, so that forks,
branches and pull requests work as they are. It prints them, fetches them into a folder of that
name, and runs helpers/colab.py from there; whatever can wait until then is in that file.

It looks in three places, in this order, and waits 3 seconds at most:
1. Colab's list of sessions. A `path` is "fileId=" and the percent-encoded address on GitHub, or the
   id of a file in Drive. Of several sessions, ours has the kernel id that is in this process's
   arguments. (curl's -m limits the whole answer; a timeout of urllib's limits each part of it.)
2. The notebook's metadata, as the browser has it: a copy in Drive names its origins there.
3. The address that `make links` wrote.

`keep_in_drive` is a box to tick in Colab: helpers/colab.py then keeps build/ in Google Drive.

Only https://github.com/OWNER/REPO and a ref reach git, and nothing goes through a shell. A ref may
have slashes in it, so it ends at the last /notebooks/. It may not begin with a dash, which git
would take for an option, nor contain "..", which would lead out of the folder.
"""

UNSTAMPED = ("OWNER/REPO", "main")

CELL = r"""
# @title Set-up for Google Colab: does nothing elsewhere
import os

COURSE, REF = "https://github.com/OWNER/REPO", "main"  # written by `make links`
keep_in_drive = False  # @param {type:"boolean"}
if "COLAB_RELEASE_TAG" in os.environ:
    import contextlib, json, re, runpy, shutil, subprocess, sys, urllib.parse

    def opened_from():  # as Colab's list of sessions has it; of several, this kernel's
        url = "http://{COLAB_JUPYTER_IP}:{KMP_TARGET_PORT}/api/sessions"
        curl = ["curl", "-qsm1", "--noproxy", "*", url.format(**os.environ)]
        found, me = json.loads(subprocess.check_output(curl)), str(sys.argv)
        return [s["path"] for s in found if len(found) == 1 or s["kernel"]["id"] in me]

    def copied_from():  # as a copy in Drive remembers it
        from google.colab._message import blocking_request as ask

        colab = ask("get_ipynb", timeout_sec=2)["ipynb"]["metadata"]["colab"]
        return [origin["file_id"] for origin in colab["provenance"]]

    stamped = f"{COURSE}/blob/{REF}/notebooks/_.ipynb"
    form = r"(?:fileId=)?https://github\.com/(?!OWNER/REPO/|.*\.\.)([\w.-]+/[\w.-]+)"
    form = re.compile(form + r"/blob/(\w[\w./+#@-]*)/notebooks/[^/]+\.ipynb")
    for source in opened_from, copied_from, lambda: [stamped]:
        with contextlib.suppress(Exception):  # no answer, or nothing of this form in it
            said = map(urllib.parse.unquote, map(urllib.parse.unquote, source()))
            repo, ref = next(filter(None, map(form.fullmatch, said))).groups()
            break
    else:
        why = "This copy of the lesson does not say which repository it is from. Open "
        why += "it with its badge on GitHub, or write the address after COURSE here."
        raise RuntimeError(why)
    print(f"{repo}@{ref}")
    course, new = f"course/{repo}@{ref}", "course/.new"
    if not os.path.exists(course):
        shutil.rmtree(new, ignore_errors=True)  # there if a fetch was cut short
        os.makedirs(new)
        for step in (
            ["init", "-q"],
            ["fetch", "-q", "--depth", "1", f"https://github.com/{repo}", ref],
            ["cat-file", "-e", "FETCH_HEAD:helpers/colab.py"],
            ["checkout", "-q", "FETCH_HEAD"],
        ):
            git = ["git", "-C", new, *step]
            done = subprocess.run(git, capture_output=True, encoding="utf-8")
            if done.returncode:
                why = f"Could not fetch the course from {repo}@{ref}. Run this cell "
                why += "again. If it fails again, check that the repository is public "
                why += f"and has that branch, tag or commit. git said: {done.stderr}"
                raise RuntimeError(why)
        os.renames(new, course)
    known = {"in_drive": keep_in_drive}
    runpy.run_path(f"{course}/helpers/colab.py", known, "__main__")
"""


def source(repo: str = UNSTAMPED[0], ref: str = UNSTAMPED[1]) -> str:
    """The cell, with the address of `repo` ("owner/name") and `ref` as the last place to look."""
    address = 'COURSE, REF = "https://github.com/{}", "{}"'
    return CELL.strip().replace(address.format(*UNSTAMPED), address.format(repo, ref))
