"""A control API that says what a test tells it to, on a unix socket.

    api = FakeApi(directory)
    api.answer("GET", "/v1/status", {"mode": "enforce"})
    ... run the CLI with --socket api.path ...
    assert api.calls == [("GET", "/v1/status", "")]

Answers are kept until replaced. What was not told is 404, as from the daemon.
"""
import http.server
import json
import os
import socketserver
import threading


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        api = self.server.api
        with api.lock:
            api.calls.append((self.command, self.path, body))
            found = api.answers.get((self.command, self.path))
            if found is None:
                bare = self.path.partition("?")[0]
                found = api.answers.get((self.command, bare))
        if found is None:
            found = (404, {"error": {"code": "not_found",
                                     "message": "unknown path"}})
        if callable(found):
            found = found(body)
        status, answer = found
        if isinstance(answer, Stream):
            self.stream(answer)
            return
        data = (answer if isinstance(answer, str)
                else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, stream):
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for event in stream.events:
                text = json.dumps(event, ensure_ascii=False)
                self.wfile.write(f"event: flow\ndata: {text}\n\n".encode())
            self.wfile.flush()
            stream.end.wait()
        except ConnectionError:
            pass  # the reader left: what a test may want

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


class Stream:
    """Server-sent events; the connection stays open until `end` is set."""

    def __init__(self, events, stays_open=False):
        self.events = events
        self.end = threading.Event()
        if not stays_open:
            self.end.set()


class FakeApi:
    def __init__(self, directory):
        self.path = os.path.join(directory, "api.sock")
        self.lock = threading.Lock()
        self.answers = {}
        self.calls = []
        self.server = _Server(self.path, _Handler)
        self.server.api = self
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.05})
        self.thread.start()

    def answer(self, method, path, answer, status=200):
        with self.lock:
            self.answers[(method, path)] = (
                answer if callable(answer) else (status, answer))

    def refuse(self, method, path, status, message, field=None):
        error = {"code": "refused", "message": message}
        if field:
            error["field"] = field
        self.answer(method, path, {"error": error}, status)

    def bodies(self, method, path):
        return [json.loads(body) for m, p, body in self.calls
                if (m, p) == (method, path)]

    def close(self):
        for found in list(self.answers.values()):
            if isinstance(found, tuple) and isinstance(found[1], Stream):
                found[1].end.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        os.unlink(self.path)
