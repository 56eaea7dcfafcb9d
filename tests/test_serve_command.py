"""`edge-mdda serve`: the real program, asked by a plain client, abused, stopped, and watched by systemd."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_mdda import image
from tests import hostile
from tests.program import CHECKOUT, PICTURE, PROGRAM, refused, run
from tests.served import PNG, Served, served

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")
pytestmark = pytest.mark.programs

TOKEN = "correct-horse-battery-staple"
#: Purifies so often that it takes seconds: what the others wait for.
SLOW = "?samples=16&preset=paper-small"
BODY, PIXELS, QUEUE = 200_000, 100_000, 2


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "archive"


@pytest.fixture(scope="module")
def service(archive: Path) -> Iterator[Served]:
    pixels = ["--max-pixels", PIXELS, "--max-purified-pixels", 10_000]
    limits = ["--max-body", BODY, *pixels, "--queue", QUEUE, "--upload-timeout", 1.5, "--timeout", 60]
    with served(*map(str, limits), "--archive", archive) as running:
        yield running


def form(*fields: tuple[str, str | None, bytes]) -> tuple[bytes, str]:
    """A form with these fields, name, file name and content, and its Content-Type."""
    parts = []
    for name, file, content in fields:
        disposition = f'form-data; name="{name}"' + ("" if file is None else f'; filename="{file}"')
        parts.append(b"--limit\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (disposition.encode(), content))
    return b"".join([*parts, b"--limit--\r\n"]), "multipart/form-data; boundary=limit"


def test_an_image_is_answered_with_the_report_of_the_command_line(service: Served, lesion: Path) -> None:
    answer = service.assess(query="?seed=18446744073709551615&purify=always&coverage=0.8")
    assert answer.status == 200
    command = ("classify", "--json", "--seed", str(2**64 - 1), "--purify", "always", "--coverage", "0.8", lesion)
    expected = json.loads(run(*command).stdout)
    found = answer.json
    assert found["image"] is None
    for report in (found, expected):
        for own in ("image", "milliseconds", "threads"):
            del report[own]
    assert found == expected
    assert answer.headers["cache-control"] == "no-store"


def test_a_form_is_as_good_as_a_body(service: Served) -> None:
    body, kind = form(("image", "patient name.png", PNG))
    plain, sent = service.assess(query="?seed=7"), service.assess(body, "?seed=7", Content_Type=kind)
    assert (plain.status, sent.status) == (200, 200)
    assert plain.json["purified"] == sent.json["purified"]
    assert sent.json["image"] is None


def test_what_purify_answers_is_what_an_assessment_looks_at(service: Served, tmp_path: Path, lesion: Path) -> None:
    own = service.ask("POST", "/v1/purify?seed=3", PNG, Content_Type="image/png")
    assert (own.status, own.headers["content-type"], own.headers["x-seed"]) == (200, "image/png", "3")
    assert run("purify", lesion, tmp_path / "own.png", "--seed", "3").returncode == 0
    assert (image.decode(own.body) == image.decode((tmp_path / "own.png").read_bytes())).all()
    small = service.ask("POST", "/v1/purify?seed=3&size=model", PNG, Content_Type="image/png")
    assert run("classify", lesion, "--seed", "3", "--save-purified", tmp_path).returncode == 0
    assert (image.decode(small.body) == image.decode((tmp_path / "lesion.purified.png").read_bytes())).all()


def test_it_says_how_it_is_and_which_model_answers(service: Served) -> None:
    assert service.get("/v1/health").json == {"live": True, "ready": True}
    model = service.get("/v1/model").json
    card = json.loads((CHECKOUT / "models/mobilenet_v2/card.json").read_text())
    assert model["sha256"] == card["sha256"]["model.tflite"]
    assert model["input"] == {"height": 224, "width": 224}
    assert (model["preset"], model["purify"]) == ("edge", "auto")


def test_the_page_and_its_files_are_served_with_a_policy(service: Served) -> None:
    page = service.get("/")
    assert page.status == 200
    assert page.body.lower().startswith(b"<!doctype html>")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert service.get("/page/index.html").body == page.body
    assert service.get("/page/../routes.py").status == 404
    assert service.get("/page/%2e%2e/routes.py").status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status"),
    [
        ("POST", "/v1/assess", b"no image", "image/png", 400),
        ("POST", "/v1/assess", PNG[:500], "image/png", 400),
        ("POST", "/v1/assess", b"", "image/png", 400),
        ("POST", "/v1/assess", form()[0], form()[1], 400),
        ("POST", "/v1/assess", form(("image", None, PNG))[0], form()[1], 400),
        ("POST", "/v1/assess", form(("other", "a.png", PNG))[0], form()[1], 400),
        ("POST", "/v1/assess", form(("image", "a", PNG), ("image", "b", PNG))[0], form()[1], 400),
        ("POST", "/v1/assess", b"--limit garbage", form()[1], 400),
        ("GET", "/v1/nothing", None, "", 404),
        ("GET", "/v1/assess", None, "", 405),
        ("DELETE", "/v1/model", None, "", 405),
        ("POST", "/v1/assess", bytes(BODY + 1), "image/png", 413),
        ("POST", "/v1/assess", image.encode_jpeg(PICTURE.repeat(8, 0).repeat(8, 1)), "image/jpeg", 413),
        ("POST", "/v1/purify", image.encode_png(PICTURE.repeat(2, 0).repeat(2, 1)), "image/png", 413),
        ("POST", "/v1/assess", PNG, "text/plain", 415),
        ("POST", "/v1/assess", PNG, "", 415),
        ("POST", "/v1/assess", PNG, "multipart/form-data", 415),
        ("POST", "/v1/assess?purify=sometimes", PNG, "image/png", 422),
        ("POST", "/v1/assess?seed=18446744073709551616", PNG, "image/png", 422),
        ("POST", "/v1/assess?coverage=0.123", PNG, "image/png", 422),
        ("POST", "/v1/assess?sede=1", PNG, "image/png", 422),
        ("POST", "/v1/assess?purify=auto&preset=paper-large", PNG, "image/png", None),
        ("POST", "/v1/purify?size=huge", PNG, "image/png", 422),
    ],
)
def test_what_cannot_be_done_is_answered_with_its_status_and_a_sentence(
    service: Served, method: str, path: str, body: bytes | None, kind: str, status: int | None
) -> None:
    answer = service.ask(method, path, body, **({"Content_Type": kind} if kind else {}))
    if status is None:  # depends on what the shipped model is calibrated for
        assert answer.status in (200, 422)
        return
    assert (answer.status, sorted(answer.json)) == (status, ["detail", "error"]), answer.body
    assert answer.json["detail"]


def test_a_page_of_another_site_gets_nothing(service: Served) -> None:
    assert service.get("/v1/model", Host=f"evil.example:{service.port}").status == 421
    assert service.assess(Origin="https://evil.example").status == 403
    for host in (f"localhost:{service.port}", f"192.168.1.7:{service.port}", f"[::1]:{service.port}"):
        assert service.get("/v1/health", Host=host).status == 200
    own = f"http://localhost:{service.port}"
    assert service.assess(Origin=own, Host=f"localhost:{service.port}").status == 200


def test_each_report_is_an_event_for_all_that_listen(service: Served) -> None:
    with service.raw(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n") as listener:
        received = b""
        while b": edge_mdda\n\n" not in received:
            received += listener.recv(4096)
        assert b"text/event-stream" in received
        report = service.assess().json
        while b'"milliseconds"' not in received or not received.endswith(b"\n\n\r\n"):
            received += listener.recv(65536)
    (data,) = [line for line in received.decode().splitlines() if line.startswith("data: ")]
    assert json.loads(data.removeprefix("data: ")) == report


def test_metrics_count_requests_answers_stages_and_the_line(service: Served) -> None:
    name = 'edge_mdda_requests_total{path="/v1/assess",status="200"}'
    stage = 'edge_mdda_stage_seconds_count{stage="purify"}'
    before, stages = service.metric(name) or 0, service.metric(stage) or 0
    assert service.assess().status == 200
    assert service.metric(name) == before + 1
    assert service.metric(stage) == stages + 1
    assert service.metric("edge_mdda_queue_places") == QUEUE
    assert (service.metric("edge_mdda_worker_resident_memory_bytes") or 0) > 1e6


def test_what_is_archived_has_the_picture_alone(service: Served, archive: Path) -> None:
    secret = b"Patient Zero"
    place = struct.pack("<HHII", 0x8825, 4, 1, 26)  # a GPS directory
    comment = struct.pack("<HHI", 0x010E, 2, len(secret)) + struct.pack("<I", 38)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + comment + place + b"\0\0\0\0" + secret
    plain = image.encode_jpeg(PICTURE)
    sent = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    answer = service.assess(sent, Content_Type="image/jpeg")
    assert answer.status == 200
    name = answer.headers["x-archived"]
    kept = (archive / "ISIC_2019_Training_Input" / f"{name}.jpg").read_bytes()
    assert secret not in kept
    assert b"Exif" not in kept
    assert abs(image.decode(kept).astype(int) - image.decode(plain)).mean() < 3
    last = json.loads((archive / "audit.jsonl").read_text().splitlines()[-1])
    assert last["file"] == {"sha256": hashlib.sha256(kept).hexdigest(), "bytes": len(kept)}
    assert last["received"]["sha256"] == hashlib.sha256(sent).hexdigest()
    assert last["report"] == answer.json | {"image": name}
    for table in ("GroundTruth", "Metadata"):
        with (archive / f"ISIC_2019_Training_{table}.csv").open(newline="") as file:
            rows = [row["image"] for row in csv.DictReader(file)]
        assert rows.count(name) == 1
    assert len(rows) == len((archive / "audit.jsonl").read_text().splitlines())
    assert not any(secret in path.read_bytes() for path in archive.rglob("*") if path.is_file())


def test_what_a_client_must_not_see_again_is_in_no_log(service: Served) -> None:
    body, kind = form(("image", "patient name.png", PNG))
    service.assess(body, "?seed=4711", Content_Type=kind)
    service.get("/v1/assess/patient-name?secret=1")
    service.assess(b"--limit garbage", Content_Type=kind)
    said = service.log.read_text()
    assert "edge-mdda: POST /v1/assess 200, " in said
    assert "edge-mdda: GET other 404, " in said
    assert all(line.startswith("edge-mdda: ") for line in said.splitlines()), said
    assert not any(word in said for word in ("patient", "4711", "secret", "127.0.0.1", "Traceback"))


def head(length: int, kind: str = "image/png", path: str = "/v1/assess") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def status(connection: socket.socket) -> int:
    """The status a connection is answered with, 0 where it is closed without one."""
    try:
        received = connection.recv(65536)
    except ConnectionResetError:
        return 0
    return int(received.split()[1]) if received else 0


def test_a_slow_body_is_given_up(service: Served) -> None:
    start = time.monotonic()
    with service.raw(head(len(PNG)) + PNG[:100]) as connection:
        assert status(connection) == 408
        assert 1 < time.monotonic() - start < 10


def test_a_slow_head_is_given_up(service: Served) -> None:
    for beginning in (b"", b"POST /v1/assess HT", b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v"):
        with service.raw(beginning) as connection:
            received = b""
            while part := _received(connection):
                received += part
            assert received.count(b"HTTP/1.1") == beginning.count(b"\r\n\r\n")


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except ConnectionResetError:
        return b""


def test_too_large_a_body_is_refused_before_it_is_read(service: Served) -> None:
    with service.raw(head(10**12)) as connection:
        assert status(connection) == 413
    chunked = (
        b"POST /v1/assess HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with service.raw(chunked) as connection:
        chunk = b"%x\r\n%s\r\n" % (50_000, bytes(50_000))
        for _ in range(BODY // 50_000 + 1):
            connection.sendall(chunk)
        assert status(connection) == 413


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
        b"POST /v1/assess HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/assess HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\0" * 1000,
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_and_the_connection_closed(service: Served, sent: bytes) -> None:
    with service.raw() as connection:
        try:
            connection.sendall(sent)
            assert status(connection) in (0, 400, 413, 421)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert service.get("/v1/health").json == {"live": True, "ready": True}


def test_uploads_that_break_off_leave_nothing_behind(service: Served) -> None:
    for length in (0, 1, 100, len(PNG) - 1):
        service.raw(head(len(PNG)) + PNG[:length]).close()
    assert service.assess().status == 200


def test_a_burst_is_served_in_part_and_the_rest_told_when_to_come_again(service: Served) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: service.assess(query=SLOW.replace("16", "2")), range(12)))
    counts = Counter(answer.status for answer in answers)
    assert set(counts) <= {200, 503}
    assert counts[200] >= QUEUE + 1
    assert counts[503] >= 1
    for answer in answers:
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json["error"] == "busy"
    assert service.metric("edge_mdda_queue_length") == 0


def test_who_goes_away_leaves_the_line(service: Served) -> None:
    worker = service.worker()
    assert worker is not None
    os.kill(worker, signal.SIGSTOP)  # so that the first is worked on until all have gone
    first = threading.Thread(target=lambda: service.assess(query=SLOW))
    first.start()
    _wait(lambda: _inside(service) >= 0 and service.get("/v1/health").status == 200)
    time.sleep(0.3)
    gone = [service.raw(head(len(PNG)) + PNG) for _ in range(QUEUE)]
    _wait(lambda: _inside(service) == QUEUE)
    for connection in gone:
        connection.close()
    _wait(lambda: _inside(service) == 0)
    assert first.is_alive()  # while the first is still worked on
    os.kill(worker, signal.SIGCONT)
    first.join()
    assert service.assess().status == 200


def _inside(service: Served) -> float:
    found = service.metric("edge_mdda_queue_length")
    assert found is not None
    return found


def _wait(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_workers_that_are_killed_cost_one_request_at_most(service: Served) -> None:
    """Killed by somebody else, as the kernel does when memory is short, it is tried once more, as `watch` does."""
    answers = []
    asking = threading.Thread(target=lambda: answers.append(service.assess(query=SLOW)))
    asking.start()
    for _ in range(2):
        time.sleep(0.5)
        before = service.worker()
        assert before is not None
        os.kill(before, signal.SIGKILL)
        _wait(lambda before=before: service.worker() not in (None, before))
    asking.join()
    assert answers[0].status in (200, 500)
    assert service.assess().status == 200
    assert service.process.poll() is None


def test_a_worker_that_crashes_costs_one_request(service: Served) -> None:
    answers = []
    asking = threading.Thread(target=lambda: answers.append(service.assess(query=SLOW)))
    worker = service.worker()
    assert worker is not None
    os.kill(worker, signal.SIGSTOP)  # so that it is not done before it crashes, however fast the machine is
    asking.start()
    time.sleep(1)
    os.kill(worker, signal.SIGSEGV)
    os.kill(worker, signal.SIGCONT)
    asking.join()
    assert (answers[0].status, answers[0].json["error"]) == (500, "failed")
    assert "SIGSEGV" in answers[0].json["detail"]
    assert service.assess().status == 200
    assert (service.metric('edge_mdda_worker_failures_total{how="crashed"}') or 0) >= 1


def test_memory_stays_flat_under_abuse(service: Served) -> None:
    def abuse(number: int) -> None:
        kinds = (
            lambda: service.assess(),
            lambda: service.assess(b"no image" * 1000),
            lambda: service.assess(bytes(BODY)),
            lambda: service.assess(bytes(BODY + 1)),
            lambda: service.raw(head(BODY) + bytes(BODY // 2)).close(),
            lambda: service.get("/v1/events/" + "x" * 1000),
        )
        kinds[number % len(kinds)]()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(abuse, range(60)))
        before = service.metric("process_resident_memory_bytes") or 0
        list(pool.map(abuse, range(240)))
    after = service.metric("process_resident_memory_bytes") or 0
    assert after < before + 8e6
    assert (service.metric("process_open_fds") or 0) < 60


def test_systemd_is_told_and_sigterm_ends_it_with_0(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        with served(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="60000000") as service:
            assert manager.recv(4096) == b"READY=1"
            assert manager.recv(4096).startswith(b"WATCHDOG=1\nSTATUS=")
            listener = service.raw(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answers = []
            asking = threading.Thread(target=lambda: answers.append(service.assess(query=SLOW)))
            asking.start()
            time.sleep(0.5)
            service.process.send_signal(signal.SIGTERM)
            messages = [b""]
            while messages[-1] != b"STOPPING=1":
                messages.append(manager.recv(4096))
            assert service.process.wait(60) == 0
            asking.join()
            assert answers[0].status == 200  # what was being worked on is finished
            listener.close()


def test_an_image_that_takes_too_long_is_given_up_and_the_next_is_answered(tmp_path: Path) -> None:
    with served("--timeout", "1", "--model", hostile.endless(tmp_path / "endless")) as service:
        for _ in range(2):
            answer = service.assess()
            assert (answer.status, answer.json["error"]) == (504, "too late")
        assert service.assess(b"no image").status == 400
        assert service.metric('edge_mdda_worker_failures_total{how="late"}') == 2


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


def test_off_loopback_a_token_is_asked_for(token_file: Path) -> None:
    with served("--host", "0.0.0.0", "--token-file", token_file) as service:
        for path in ("/v1/model", "/v1/events", "/metrics", "/v1/nothing"):
            answer = service.get(path)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        for wrong in ("", TOKEN, f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", "Bearer \xff"):
            assert service.assess(Authorization=wrong).status == 401
        assert service.assess(Authorization=f"Bearer {TOKEN}").status == 200
        assert {service.get(path).status for path in ("/", "/page/index.html", "/v1/health", "/openapi.json")} == {200}
        assert "images and token go in clear" in service.log.read_text()
        assert TOKEN not in service.log.read_text()


def test_it_speaks_tls(tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run([*command.split(), *files], cwd=tmp_path, check=True, capture_output=True)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    with served("--certificate", certificate, "--key", key, ready=False) as service:
        assert service.address.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"{service.address}/v1/health", context=trust, timeout=30) as answer:
            assert json.loads(answer.read())["live"]


def serve(*options: str | Path) -> subprocess.CompletedProcess[bytes]:
    return run("serve", "--port", "0", *options)


def test_wrong_options_end_it_with_2_before_it_listens(tmp_path: Path, token_file: Path) -> None:
    open_token, short = tmp_path / "open", tmp_path / "short"
    for path, text in ((open_token, TOKEN), (short, "hunter2")):
        path.write_text(text)
        path.chmod(0o600)
    open_token.chmod(0o644)
    assert "expected --token-file for a service beyond this machine" in refused(serve("--host", "0.0.0.0"), 2)
    assert "--token-file" in refused(serve("--host", "::"), 2)
    assert "--token-file" in refused(serve("--host", "board.local"), 2)
    assert "that not everybody may read" in refused(serve("--token-file", open_token), 2)
    assert "a token of 16 to 1000 ASCII characters" in refused(serve("--token-file", short), 2)
    assert "expected a token in" in refused(serve("--token-file", tmp_path / "none"), 2)
    assert "expected a certificate" in refused(serve("--certificate", token_file), 2)
    assert "expected --key together with" in refused(serve("--key", token_file), 2)
    assert "expected --queue in [0, 1000]" in refused(serve("--queue", "-1"), 2)
    assert "expected --max-pixels in" in refused(serve("--max-pixels", "5"), 2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "expected an address to listen at" in refused(run("serve", "--port", port), 2)


def test_a_model_that_cannot_be_used_ends_it_with_4(tmp_path: Path) -> None:
    process = serve("--model", tmp_path)
    assert process.returncode == 4
    assert b"expected" in process.stderr


def test_an_archive_that_another_has_ends_it_with_6(service: Served, archive: Path) -> None:
    assert "another at work" in refused(serve("--archive", archive), 6)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "fastapi.py").write_text("raise ModuleNotFoundError('no', name='fastapi')\n")
    process = run("serve", PYTHONPATH=f"{tmp_path}:{CHECKOUT}")
    assert "pip install 'edge-mdda[serve]'" in refused(process, 2)


def test_parsing_the_command_line_loads_no_server() -> None:
    code = (
        "import sys; from edge_mdda import command_line; print([m for m in ('fastapi', 'uvicorn') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=CHECKOUT).stdout == b"[]\n"


def test_the_address_is_printed_once_requests_are_taken() -> None:
    process = subprocess.Popen([*PROGRAM, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0]
        assert process.stdout.readline().startswith(b"http://127.0.0.1:")
    finally:
        process.kill()
        process.communicate()
