# toot as it comes with Debian, each command a process, against a service with a
# picture at argv[2]. Whatever is not in an answer as expected is an exception.
import os
import re
import subprocess
import sys
import tempfile

import requests

URL, PICTURE = sys.argv[1:3]
HOST = URL.split("//")[1]
PASSWORD = "correct horse"
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp()


def toot(*args, say="", want=()):
    r = subprocess.run(["toot", *args, "--no-color"], input=say, capture_output=True, text=True, timeout=60)
    out = r.stdout + r.stderr
    assert r.returncode == 0 and not r.stderr.strip(), f"toot {' '.join(args)}: {out}"
    for text in want:
        assert text in out, f"toot {' '.join(args)}: no {text!r} in {out}"
    return out


def sign_up(name):
    requests.post(URL + "/api/v1/accounts", data=dict(
        username=name, password=PASSWORD, email=name + "@example.org", agreement=True, locale="en")).raise_for_status()


def sign_in_by_page(name):
    """toot asks for the code that the page shows; it prints the address first."""
    p = subprocess.Popen(["toot", "login", "--disable-https", "-i", HOST, "--no-color"], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, PYTHONUNBUFFERED="1"))
    for line in p.stdout:
        if line.startswith(URL + "/oauth/authorize"):
            break
    browser = requests.Session()
    page = browser.get(line.strip())
    form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
    done = browser.post(URL + "/oauth/authorize", data=dict(form, username=name, password=PASSWORD, allow="true"))
    code = re.search(r'<code id="code">([^<]+)</code>', done.text)[1]
    out, _ = p.communicate("n\n" + code + "\n", timeout=60)
    assert p.returncode == 0 and "Successfully logged in" in out, out


sign_up("cleo")
sign_up("dave")
sign_in_by_page("dave")
toot("login_cli", "--disable-https", "-i", HOST, "-e", "cleo", say=PASSWORD, want=["Successfully logged in"])
toot("auth", want=["cleo@" + HOST, "dave@" + HOST])
toot("whoami", want=["@cleo", "Followers: 0"])
toot("instance", "--disable-https", want=["portico", "Photos"])
toot("follow", "dave", want=["You are now following dave"])
toot("following", "cleo", want=["@dave"])
toot("followers", "dave", want=["@cleo"])
toot("whois", "dave", want=["@dave"])
posted = toot("post", "At the sea #sea", "-m", PICTURE, "-d", "a picture of it", "-v", "public", want=["Toot posted"])
ID = posted.strip().rsplit("/", 1)[1]
toot("upload", PICTURE, want=["Successfully uploaded media ID"])
toot("timeline", "-1", want=["At the sea", "cleo", "/media/"])
toot("favourite", ID, "-u", "dave@" + HOST, want=["Status favourited"])
toot("bookmark", ID, want=["Status bookmarked"])
toot("bookmarks", "-1", want=["At the sea"])
toot("unbookmark", ID, want=["Status unbookmarked"])
toot("pin", ID, want=["Status pinned"])
toot("unpin", ID, want=["Status unpinned"])
toot("post", "@cleo it is", "-r", ID, "-u", "dave@" + HOST, want=["Toot posted"])
toot("thread", ID, want=["At the sea", "it is"])
toot("notifications", want=["dave", "favourited your status", "mentioned you"])
toot("notifications", "--clear", want=["Cleared notifications"])
toot("search", "dave", want=["@dave"])
toot("search", "#sea", want=["#sea"])
toot("tags_follow", "sea", want=["You are now following #sea"])
toot("tags_followed", want=["sea"])
toot("tags_unfollow", "sea")
toot("mute", "dave", want=["You have muted dave"])
toot("unmute", "dave", want=["dave is no longer muted"])
toot("unfollow", "dave", want=["You are no longer following dave"])
toot("block", "dave", want=["You are now blocking dave"])
toot("unblock", "dave", want=["dave is no longer blocked"])
toot("unfavourite", ID, "-u", "dave@" + HOST, want=["Status unfavourited"])
toot("delete", ID, want=["Status deleted"])
toot("activate", "dave@" + HOST, want=["active"])
toot("logout", "dave@" + HOST, want=["logged out"])
print("all as expected")
