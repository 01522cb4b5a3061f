"""What the labelling server lets in, what it answers, and what it refuses.

Every refusal is of a request that differs in one respect from one that is served.
"""

import asyncio
import hmac
import json
import re
import shutil

import pytest
from modeldebug_labelers.ballots import FILE, Ballots
from modeldebug_labelers.server import app as server
from modeldebug_labelers.server.auth import SESSIONS, Doors
from modeldebug_labelers.server.serve import host_names
from modeldebug_labelers.server.shield import MAX_BODY
from starlette.testclient import TestClient

from modeldebug import InputError

from .boxes import CLASSES, put, rows

HOST = "127.0.0.1:8000"
ORIGIN = f"http://{HOST}"
OWN = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Ballots, the links of ann and bob, and a cookie of ann's: made once, since every write waits for the disk."""
    folder = tmp_path_factory.mktemp("template")
    with Ballots(folder) as ballots:
        put(ballots, 6)
        doors = Doors(ballots)
        links = doors.invite(["ann", "bob"])
        return folder / FILE, links, {doors.cookie: doors.enter(links["ann"])}


@pytest.fixture
def ballots(tmp_path, template):
    shutil.copy(template[0], tmp_path)
    with Ballots(tmp_path) as made:
        yield made


@pytest.fixture
def links(template):
    return template[1]


def client(ballots, *, expert=False, base=ORIGIN):
    hosts = host_names("127.0.0.1", 8000, [])
    made = server.make_app(ballots, hosts=hosts, expert=expert)
    return TestClient(made, base_url=base, headers=OWN, raise_server_exceptions=False)


@pytest.fixture
def ann(ballots, template):
    """Ann's browser, which has come by her link."""
    browser = client(ballots)
    browser.cookies.update(template[2])
    return browser


def upcoming(browser):
    return [image["id"] for image in browser.get("/api/state").json()["next"]]


def vote(browser, images, answer=1, way="page", **how):
    return browser.post("/api/vote", json={"images": images, "answer": answer, "way": way}, **how)


# coming in


def test_link_lets_in_strips_itself_and_leaves_a_strict_cookie(ballots, links):
    answer = client(ballots).get(f"/enter/{links['ann']}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert links["ann"] not in cookie


def test_page_greets_the_annotator_of_the_link(ann):
    page = ann.get("/")
    assert page.status_code == 200
    assert "Labelling: ann" in page.text


PRIVATE = ["/api/state", "/image/1", "/api/vote", "/api/undo", "/"]


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize("cookie", [None, "", "wrong", "é".encode().decode("latin-1"), "a" * 5000])
def test_nothing_is_served_without_a_cookie_of_ours(ballots, links, path, cookie):
    name = Doors(ballots).cookie
    headers = {} if cookie is None else {"cookie": f"{name}={cookie}".encode("latin-1")}
    method = "POST" if path in ("/api/vote", "/api/undo") else "GET"
    answer = client(ballots).request(method, path, headers=headers)
    assert answer.status_code == 401
    assert b"PNG" not in answer.content
    assert all(name not in answer.text for name in CLASSES)


@pytest.mark.parametrize("token", ["wrong", "", "%00", "../../etc/passwd", "a" * 5000, "%F0%28%8C%28"])
def test_wrong_links_let_nobody_in(ballots, links, token):
    answer = client(ballots).get(f"/enter/{token}", follow_redirects=False)
    assert answer.status_code in (403, 404)
    assert "set-cookie" not in answer.headers


def test_link_of_another_start_has_ended_but_its_browsers_go_on(ballots, links, ann):
    new = Doors(ballots).invite(["ann", "bob"])
    assert client(ballots).get(f"/enter/{links['ann']}").status_code == 403
    assert client(ballots).get(f"/enter/{new['ann']}").status_code == 200
    assert ann.get("/api/state").status_code == 200


def test_browsers_of_who_is_no_longer_invited_are_signed_out(ballots, links, ann):
    Doors(ballots).invite(["bob"])
    assert ann.get("/api/state").status_code == 401


def test_invitation_that_fails_ends_no_links(ballots, links):
    with pytest.raises(InputError):
        Doors(ballots).invite(["ann", "ANN"])
    assert Doors(ballots).enter(links["ann"])


def test_cookies_of_one_annotator_are_limited(ballots, links):
    doors = Doors(ballots)
    cookies = [doors.enter(links["ann"]) for _ in range(SESSIONS + 1)]
    assert [doors.who(cookie) is None for cookie in cookies] == [True] + [False] * SESSIONS


def test_secrets_are_kept_as_hashes_alone(ballots, links, ann, tmp_path):
    ballots.close()
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert rows(tmp_path, "SELECT count(*) FROM sessions") == [(1,)]
    for secret in (*links.values(), *ann.cookies.values()):
        assert secret.encode() not in everything


def test_secrets_are_compared_in_constant_time_with_every_hash(ballots, links, monkeypatch):
    compared, compare = [], hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or compare(a, b))
    doors = Doors(ballots)
    for token in (links["ann"], links["bob"], "wrong"):
        compared.clear()
        doors.enter(token)
        assert len(compared) == 2


def test_link_from_another_site_leads_in_by_a_page_that_loads_itself_again(ballots, links):
    """Browsers add no strict cookie to what another site's link leads to, not even after our redirect."""
    stranger = client(ballots)
    again = stranger.get("/", headers={"sec-fetch-site": "cross-site"})
    assert again.status_code == 200
    assert 'http-equiv="refresh"' in again.text
    assert stranger.get("/").status_code == 401  # what that page leads to without a cookie: it is no loop


# from where


@pytest.mark.parametrize("host", [HOST, "localhost:8000", "LOCALHOST:8000"])
def test_own_hosts_are_served(ann, host):
    assert ann.get("/api/state", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:80", "evil.example:8000", "127.0.0.1:8000.evil", ""]
)
@pytest.mark.parametrize("path", ["/", "/api/state", "/assets/app.js"])
def test_foreign_hosts_are_refused(ann, host, path):
    answer = ann.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert CLASSES[0] not in answer.text


def test_further_hosts_are_served_where_they_are_named(ballots, links):
    hosts = host_names("0.0.0.0", 8000, ["Label.example.org", "10.0.0.7"])
    assert hosts == {"label.example.org", "label.example.org:8000", "10.0.0.7", "10.0.0.7:8000"}
    proxied = TestClient(server.make_app(ballots, hosts=hosts), base_url="https://label.example.org")
    assert proxied.get(f"/enter/{links['ann']}").status_code == 200
    image = upcoming(proxied)[0]
    assert vote(proxied, [image], headers={"origin": "https://label.example.org"}).status_code == 200


FOREIGN = [
    {"origin": "http://evil.example"},
    {"origin": "http://127.0.0.1:9000"},
    {"origin": "http://localhost:8000"},  # ours too, but not where this request went
    {"origin": "null"},
    {"origin": ""},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_only_the_page_itself_changes_anything(ann, ballots, headers):
    images = upcoming(ann)[:1]
    assert vote(ann, images, headers=headers).status_code == 403
    assert ballots.tally().votes["ann"] == 0
    assert vote(ann, images).status_code == 200
    assert ann.post("/api/undo", json={"images": images}, headers=headers).status_code == 403
    assert ballots.tally().votes["ann"] == 1


def test_request_without_an_origin_changes_nothing(ann, ballots):
    del ann.headers["origin"]
    assert vote(ann, upcoming(ann)[:1]).status_code == 403
    assert ballots.tally().votes["ann"] == 0


def test_forms_change_nothing(ann, ballots):
    """A form of another site could send these kinds without asking us first."""
    body = json.dumps({"images": upcoming(ann)[:1], "answer": 1, "way": "page"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert ann.post("/api/vote", content=body, headers={"content-type": kind}).status_code == 415
    assert ballots.tally().votes["ann"] == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_not_served(ann, method):
    assert ann.request(method, "/api/vote").status_code == 405


# paths, sizes, and what is no vote


PATHS = [
    "/assets/../app.py", "/assets/..%2fapp.py", "/assets/%2e%2e/auth.py", "/assets/..%5capp.py", "/assets/page.html",
    "/assets//etc/passwd", "/assets/%2fetc%2fpasswd", "/assets/style.css%00.png", "/assets/",
    "/image/../votes.sqlite", "/image/1.png", "/image/-1", "/image/0", "/image/999", "/image/" + "9" * 30,
    "/image/" + "9" * 5000, "/image/" + "9" * 19, "/image/%D9%A1", "/image/+1", "/image/1_0", "/image/%201",
    "/image/%31%00", "/votes.sqlite", "/labels/votes.sqlite", "/static/app.js", "/docs", "/api/groups",
    "/api/state/",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_paths_lead_to_no_file(ann, path):
    answer = ann.get(path, follow_redirects=False)
    assert answer.status_code == 404
    assert len(answer.content) < 200


def test_own_files_and_images_are_served_with_their_kinds(ann):
    kinds = {"style.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"}
    for name, kind in kinds.items():
        assert ann.get(f"/assets/{name}").headers["content-type"].startswith(kind)
    assert ann.get(f"/image/{upcoming(ann)[0]}").content.startswith(b"\x89PNG")


@pytest.mark.parametrize("path", ["/", "/api/state", "/image/1", "/assets/app.js", "/nowhere", "/enter/wrong"])
def test_every_answer_has_strict_headers(ann, path):
    headers = ann.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_page_needs_nothing_from_elsewhere_and_runs_no_inline_code(ann):
    texts = [ann.get("/").text, *(content.decode() for _, content in server._assets().values())]
    for text in texts:
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert not re.findall(r"<script(?![^>]*src=)|\son\w+=|\sstyle=|<style", texts[0])


def test_markup_in_names_is_text(ballots):
    evil = "<script>alert(1)</script>\"'&"
    put(ballots, 1, classes=(evil, "dog"))
    browser = client(ballots)
    browser.get(f"/enter/{Doors(ballots).invite([evil])[evil]}")
    page = browser.get("/")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    state = browser.get("/api/state")
    assert state.headers["content-type"] == "application/json"
    assert state.json()["classes"][0] == evil


def test_large_bodies_are_refused_by_what_they_say(ann, ballots):
    body = json.dumps({"images": upcoming(ann)[:1], "answer": 1, "way": "page"})
    headers = {"content-type": "application/json"}
    assert ann.post("/api/vote", content=body + " " * (MAX_BODY + 1), headers=headers).status_code == 413
    assert ballots.tally().votes["ann"] == 0
    assert ann.post("/api/vote", content=body + " " * 1000, headers=headers).status_code == 200


@pytest.mark.parametrize("length", ["-1", "1e9", "99999999999", "٣"])
def test_lengths_that_are_none_are_refused(ann, length):
    answer = ann.post("/api/vote", content=b"{}", headers={"content-length": length.encode()})
    assert answer.status_code == 413


def test_large_bodies_in_chunks_are_refused_before_they_are_read(ballots, links):
    """A body without a length, as long as anyone likes: no more of it is taken than the limit."""
    taken = 0

    async def receive():
        nonlocal taken
        taken += 1000
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"origin", ORIGIN.encode()), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": "/api/vote", "headers": headers, "query_string": b""}
    asyncio.run(server.make_app(ballots, hosts=frozenset({HOST}))(scope, receive, send))
    assert sent[0]["status"] == 413
    assert taken <= MAX_BODY + 1000


NO_VOTES = [
    (b"", 400), (b"{", 400), (b"[]", 400), (b"[" * 60_000, 400), (b"\xff\xfe", 400), (b"null", 400), (b"9" * 6000, 400),
    ({}, 422), ({"images": [], "answer": 1}, 422), ({"images": "1", "answer": 1}, 422), ({"images": [True]}, 422),
    ({"images": ["1"]}, 422), ({"images": [1.0]}, 422), ({"images": [2**80]}, 422), ({"images": [None]}, 422),
    ({"answer": None}, 422), ({"answer": 3}, 422), ({"answer": -2}, 422), ({"answer": 2**80}, 422),
    ({"answer": "1"}, 422), ({"way": "group"}, 422),
    ({"way": "by force"}, 422), ({"way": ["page"]}, 422), ({"images": [1] * 1001}, 422), ({"images": [10**6]}, 409),
]  # fmt: skip


@pytest.mark.parametrize(("given", "status"), NO_VOTES, ids=lambda value: str(value)[:40])
def test_what_is_no_vote_is_refused_and_changes_nothing(ann, ballots, given, status):
    if isinstance(given, dict):
        given = json.dumps({"images": upcoming(ann)[:1], "answer": 1, "way": "page"} | given if given else {}).encode()
    answer = ann.post("/api/vote", content=given, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert ballots.tally().votes["ann"] == 0


# what annotators do


def test_vote_is_on_disk_when_the_server_answers(ann, tmp_path):
    images = upcoming(ann)
    answer = vote(ann, images[:1], 2)
    assert rows(tmp_path, "SELECT question, answer, way FROM votes") == [(images[0], 2, "page")]
    state = answer.json()
    assert (state["done"], state["left"]) == (1, 5)
    assert images[0] not in [image["id"] for image in state["next"]]


def test_vote_sent_twice_counts_once(ann, tmp_path):
    images = upcoming(ann)[:1]
    assert vote(ann, images).json() == vote(ann, images).json()
    assert rows(tmp_path, "SELECT count(*) FROM withdrawn") == [(0,)]


def test_undo_brings_the_image_back_and_a_page_opened_anew_can_undo_too(ann):
    images = upcoming(ann)
    vote(ann, images[:1], 0)
    vote(ann, images[1:2], 2)
    latest = ann.get("/api/state").json()["latest"]
    assert [(image["id"], image["answer"]) for image in latest] == [(images[1], 2), (images[0], 0)]
    state = ann.post("/api/undo", json={"images": images[1:2]}).json()
    assert state["next"][0]["id"] == images[1]
    assert state["done"] == 1


def test_annotators_do_not_see_each_others_answers(ballots, links, ann):
    bob = client(ballots)
    bob.get(f"/enter/{links['bob']}")
    vote(ann, upcoming(ann)[:2])
    assert bob.get("/api/state").json()["latest"] == []
    assert bob.get("/api/state").json()["done"] == 0


def test_groups_are_for_experts(ballots, links):
    expert = client(ballots, expert=True)
    expert.get(f"/enter/{links['ann']}")
    groups = expert.get("/api/groups").json()
    assert [len(group) for group in groups] == [3, 3]
    images = [image["id"] for image in groups[1]]
    assert vote(expert, images, 2, way="group").json()["done"] == 3
    assert [image["answer"] for image in expert.get("/api/groups").json()[1]] == [2, 2, 2]


def test_state_tells_nothing_but_what_is_needed(ann):
    state = ann.get("/api/state").json()
    assert set(state) == {"classes", "done", "left", "next", "latest"}
    assert set(state["next"][0]) == {"id", "width", "height", "answer"}
