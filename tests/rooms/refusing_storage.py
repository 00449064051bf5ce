"""`python refusing_storage.py STATUS CODE METHODS`: an S3-like storage that answers some methods with one error."""

from __future__ import annotations

import http.server
import sys

EMPTY = (
    '<?xml version="1.0"?><{0}><Name>lake</Name><Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>'
    "<IsTruncated>false</IsTruncated></{0}>"
)
ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>it says so</Message></Error>'


class Handler(http.server.BaseHTTPRequestHandler):
    """Has an empty bucket, as far as it answers."""

    protocol_version = "HTTP/1.1"
    status, code, methods = int(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = 404, ERROR.format("NoSuchKey")
        if self.command in self.methods:
            status, body = self.status, ERROR.format(self.code)
        elif "list-type=2" in self.path:
            status, body = 200, EMPTY.format("ListBucketResult")
        elif "uploads" in self.path:
            status, body = 200, EMPTY.format("ListMultipartUploadsResult")
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
