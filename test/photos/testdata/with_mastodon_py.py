# Mastodon.py as it comes with Debian, against a service with a picture at
# argv[2]. Whatever is not as the library or this script expects is an exception.
import re
import sys
import threading

import requests
from mastodon import Mastodon, MastodonAPIError, MastodonIllegalArgumentError, MastodonNotFoundError, MastodonUnauthorizedError, StreamListener

URL, PICTURE = sys.argv[1:3]
PASSWORD = "correct horse"
OOB = "urn:ietf:wg:oauth:2.0:oob"
SCOPES = ["read", "write", "follow", "push"]
APP = dict(zip(("client_id", "client_secret"), Mastodon.create_app("tests", scopes=SCOPES, api_base_url=URL, website="https://example.org")))


def same(got, want):
    assert got == want, f"{got!r} is not {want!r}"


def refused(error, do, *args, **kwargs):
    try:
        do(*args, **kwargs)
    except error as e:
        return e
    raise AssertionError(f"{do.__name__} was not refused")


def client(**more):
    return Mastodon(api_base_url=URL, ratelimit_method="throw", **APP, **more)


def sign_up(name):
    m = client()
    m.create_account(name, PASSWORD, name + "@example.org", agreement=True, locale="en", scopes=SCOPES)
    same(m.account_verify_credentials().username, name)
    return m


def sign_in_by_page(name):
    """What a person does in a browser: fill in the form, copy the code."""
    m = client()
    browser = requests.Session()
    page = browser.get(m.auth_request_url(scopes=SCOPES, redirect_uris=OOB, force_login=True))
    page.raise_for_status()
    form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
    form.update(username=name, password=PASSWORD, allow="true")
    done = browser.post(page.url.split("?")[0], data=form)
    done.raise_for_status()
    m.log_in(code=re.search(r'<code id="code">([^<]+)</code>', done.text)[1], scopes=SCOPES, redirect_uri=OOB)
    same(m.me().username, name)
    return m


def grants():
    sign_up("ann"), sign_up("bob")
    ann, bob = client(), sign_in_by_page("bob")
    ann.log_in("ann", PASSWORD, scopes=SCOPES)
    same(ann.app_verify_credentials().name, "tests")
    refused(MastodonIllegalArgumentError, client().log_in, "ann", "wrong horse", scopes=SCOPES)
    leaving = client()
    leaving.log_in("ann", PASSWORD, scopes=["read"])
    refused(MastodonAPIError, leaving.status_post, "not allowed")
    token = leaving.access_token
    leaving.revoke_access_token()
    refused(MastodonUnauthorizedError, client(access_token=token).me)
    app = requests.post(URL + "/oauth/token", data=dict(APP, grant_type="client_credentials", scope="read")).json()
    same(client(access_token=app["access_token"]).app_verify_credentials().name, "tests")
    return ann, bob


def instance(m):
    i = m.instance()
    assert i.version.startswith("4.2.0 (compatible; portico"), i.version
    assert i.urls.streaming_api.startswith("ws://"), i.urls
    assert i.configuration.media_attachments.supported_mime_types, i
    same([m.instance_peers(), m.instance_rules(), m.custom_emojis(), m.announcements(), m.scheduled_statuses()], [[], [], [], [], []])
    same(len(m.instance_activity()), 12)
    same(m.instance_nodeinfo().software.name, "portico")
    same(m.instance_health(), True)
    assert m.verify_minimum_version("4.0.0")


def profile(ann):
    me = ann.account_update_credentials(
        display_name="Ann", note="hello\nthere", avatar=PICTURE, header=PICTURE, bot=False, discoverable=True,
        locked=True, fields=[("home", "https://ann.example"), ("town", "Here")])
    same([me.display_name, me.locked, [f.name for f in me.fields], me.source.fields[0].value, me.source.note],
         ["Ann", True, ["home", "town"], "https://ann.example", "hello\nthere"])
    for url in (me.avatar, me.header):
        same(requests.get(url).headers["Content-Type"], "image/jpeg")
    same(ann.preferences()["posting:default:visibility"], "public")


def people(ann, bob):
    a, b = ann.me().id, bob.me().id
    same(bob.account_follow(a).requested, True)
    same([x.username for x in ann.follow_requests()], ["bob"])
    same(ann.follow_request_authorize(b).followed_by, True)
    same([bob.account(a).followers_count, ann.account_followers(a)[0].username, bob.account_following(b)[0].username], [1, "bob", "ann"])
    bob.account_mute(a, notifications=False, duration=60)
    assert bob.mutes()[0].mute_expires_at
    same(bob.account_unmute(a).muting, False)
    bob.account_note_set(a, "kind")
    same(bob.account_relationships([a, b])[0].note, "kind")
    same([bob.account_pin(a).endorsed, bob.endorsements()[0].username, bob.account_unpin(a).endorsed], [True, "ann", False])
    same([bob.account_search("an")[0].username, bob.account_lookup("ann").id, bob.account_familiar_followers(a)[0].accounts], ["ann", a, []])
    same([bob.suggestions(), bob.account_featured_tags(a), bob.account_lists(a)], [[], [], []])
    sign_up("eve")
    same([ann.account_block(bob.account_lookup("eve").id).blocking, ann.blocks()[0].username], [True, "eve"])
    ann.account_unblock(ann.blocks()[0].id)
    bob.domain_block("evil.example")
    same(bob.domain_blocks(), ["evil.example"])
    bob.domain_unblock("evil.example")


def posts(ann, bob):
    pictures = [ann.media_post(PICTURE, description=d, focus=(0.5, -0.5)) for d in ("one", "two")]
    ann.media_update(pictures[0], description="first")
    draft = dict(media_ids=[p.id for p in pictures], visibility="private", idempotency_key="k", spoiler_text="birds", sensitive=True)
    post = ann.status_post("Look, @bob: #birds", **draft)
    same(ann.status_post("Look, @bob: #birds", **draft).id, post.id)
    same([post.visibility, [m.description for m in post.media_attachments], post.tags[0].name, post.mentions[0].username],
         ["private", ["first", "two"], "birds", "bob"])
    refused(MastodonNotFoundError, client().status, post.id)
    seen = bob.status(post.id)
    same(requests.get(seen.media_attachments[0].url).status_code, 200)
    same([bob.timeline_home()[0].id, bob.notifications(types=["mention"])[0].status.id], [post.id, post.id])
    answer = bob.status_reply(seen, "They are!")
    same([ann.status_context(post.id).descendants[0].id, bob.status_context(answer.id).ancestors[0].id], [answer.id, post.id])
    same([bob.status_favourite(post.id).favourites_count, bob.status_bookmark(post.id).bookmarked], [1, True])
    same([bob.favourites()[0].id, bob.bookmarks()[0].id, ann.status_favourited_by(post.id)[0].username], [post.id, post.id, "bob"])
    same(ann.status_pin(post.id).pinned, True)
    same(ann.account_statuses(ann.me(), pinned=True)[0].id, post.id)
    same(ann.status_update(post.id, "Look at these #birds, @bob", media_ids=[pictures[1].id]).media_attachments[0].description, "two")
    same(len(ann.status_history(post.id)), 2)
    kinds = [n.type for n in ann.notifications()]
    assert {"mention", "favourite", "follow_request"} >= set(kinds) and "mention" in kinds and "favourite" in kinds, kinds
    ann.notifications_clear()
    same(ann.notifications(), [])
    public = bob.status_post("Out in the open #birds", media_ids=[bob.media_post(PICTURE).id])
    same([client().timeline_public()[0].id, client().timeline_hashtag("birds")[0].id], [public.id, public.id])
    found = ann.search_v2("birds")
    same([found.hashtags[0].name, ann.search_v2(public.url, resolve=True).statuses[0].id, ann.search_v2("@bob").accounts[0].username],
         ["birds", public.id, "bob"])
    same([t.name for t in client().trending_tags()], ["birds"])
    same(ann.tag_follow("birds").following if hasattr(ann, "tag_follow") else True, True)
    same(ann.status_delete(post.id).text, "Look at these #birds, @bob")
    refused(MastodonNotFoundError, bob.status, post.id)
    return public


def pages(bob):
    ids = [bob.status_post(f"page {i}", media_ids=[bob.media_post(PICTURE).id], visibility="unlisted").id for i in range(5)]
    first = bob.account_statuses(bob.me(), limit=2)
    second = bob.fetch_next(first)
    same([s.id for s in first] + [s.id for s in second], ids[:0:-1][:4])
    same([s.id for s in bob.fetch_previous(second)], [s.id for s in first])


def more(ann, bob):
    l = bob.list_create("friends")
    bob.list_accounts_add(l, [ann.me().id])
    same([bob.list_accounts(l)[0].username, bob.lists()[0].title, bob.list_update(l, "all").title], ["ann", "friends", "all"])
    bob.timeline_list(l)
    bob.list_delete(l)
    f = bob.filter_create("cat", ["home", "public"], whole_word=True, expires_in=3600)
    same([bob.filter(f.id).phrase, bob.filter_update(f, phrase="dog").phrase, len(bob.filters())], ["cat", "dog", 1])
    bob.filter_delete(f)
    same(bob.markers_set(["home"], [123]).home.last_read_id, 123)
    same(bob.markers_get(["home"]).home.version, 1)
    t = bob.featured_tag_create("birds")
    same([bob.featured_tags()[0].name, bob.account_featured_tags(bob.me())[0].name], ["birds", "birds"])
    bob.featured_tag_delete(t)
    same([bob.conversations(), bob.featured_tag_suggestions()], [[], []])
    refused(MastodonNotFoundError, bob.push_subscription)


class Heard(StreamListener):
    def __init__(self):
        self.events, self.news = [], threading.Condition()

    def note(self, *event):
        with self.news:
            self.events.append(event)
            self.news.notify_all()

    def on_update(self, status):
        self.note("update", status.id)

    def on_notification(self, notification):
        self.note("notification", notification.type)

    def on_delete(self, status_id):
        self.note("delete", status_id)

    def wait(self, *event):
        with self.news:
            assert self.news.wait_for(lambda: event in self.events, 20), f"{event} is not in {self.events}"


def streaming(ann, bob):
    same(bob.stream_healthy(), True)
    heard = Heard()
    handle = bob.stream_user(heard, run_async=True)
    post = ann.status_post("Live", media_ids=[ann.media_post(PICTURE).id])
    heard.wait("update", post.id)
    own = bob.status_post("Mine", media_ids=[bob.media_post(PICTURE).id])
    ann.status_favourite(own.id)
    heard.wait("notification", "favourite")
    ann.status_delete(post.id)
    heard.wait("delete", post.id)
    handle.close()


ann, bob = grants()
instance(ann)
profile(ann)
people(ann, bob)
posts(ann, bob)
pages(bob)
more(ann, bob)
streaming(ann, bob)
print("all as expected")
