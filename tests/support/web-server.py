#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A web server with ranges, good and bad, for the tests.

    web-server.py [KEY=VALUE]...

serves the files of the current folder on a port of 127.0.0.1, writes the port
into the file "port" when it is ready, and each request into the file "log":
method, path, range, user, cookie.  Keys:

    port=FILE log=FILE  other names for these
    tls=CERT,KEY        by TLS
    ranges=no           200 and the whole file, as if ranges were unknown;
                        none: does them, and says Accept-Ranges: none
    auth=USER:PASS      401 to who does not say so (Basic)
    busy=N              503 to the first N requests
    cut=BYTES           closes each connection after so many bytes of a body
    stall=BYTES         sends no more after so many, but stays
    delay=SECONDS       before each answer
    most=BYTES          never more than so many at once
    encoding=NAME       says Content-Encoding: NAME
    lie=total|first     a Content-Range that is wrong
    etag=each           another ETag with each answer
    redirect=URL        all is there: URL, the path, 302
    until=N             403 after N requests
"""

import base64
import os
import re
import socketserver
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

opt = dict(a.split("=", 1) for a in sys.argv[1:])
lock = threading.Lock()
count = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self):
        global count
        auth = self.headers.get("Authorization", "-")
        if auth.startswith("Basic "):
            auth = base64.b64decode(auth[6:]).decode()
        with lock:
            count += 1
            with open(opt.get("log", "log"), "a") as f:
                print(self.command, self.path,
                      self.headers.get("Range", "-"), auth,
                      self.headers.get("Cookie", "-"), file=f)
            return count, auth

    def plain(self, status, headers=()):
        body = b"no\n"
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        n, auth = self.note()
        time.sleep(float(opt.get("delay", 0)))
        if n <= int(opt.get("busy", 0)):
            return self.plain(503)
        if n > int(opt.get("until", 1 << 60)):
            return self.plain(403)
        if "redirect" in opt:
            return self.plain(302, [("Location",
                                     opt["redirect"] + self.path)])
        if "auth" in opt and auth != opt["auth"]:
            return self.plain(401, [("WWW-Authenticate",
                                     'Basic realm="x"')])
        try:
            f = open("." + re.sub(r"[?#].*", "", self.path), "rb")
        except OSError:
            return self.plain(404)
        with f:
            self.send_file(f, n)

    def send_file(self, f, n):
        size = os.fstat(f.fileno()).st_size
        m = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if m and opt.get("ranges") != "no":
            first, last = int(m[1]), min(int(m[2]), size - 1)
            if first >= size:
                return self.plain(416, [("Content-Range",
                                         "bytes */%d" % size)])
            last = min(last, first + int(opt.get("most", size)) - 1)
            lie = opt.get("lie")
            self.send_response(206)
            self.send_header("Content-Range", "bytes %d-%d/%s" % (
                first + (lie == "first"), last,
                size - 512 * n if lie == "total" else size))
        else:
            first, last = 0, size - 1
            self.send_response(200)
        if opt.get("ranges") == "none":
            self.send_header("Accept-Ranges", "none")
        elif opt.get("ranges") != "no":
            self.send_header("Accept-Ranges", "bytes")
        if "encoding" in opt:
            self.send_header("Content-Encoding", opt["encoding"])
        self.send_header("ETag", '"%d"' % (n if opt.get("etag") == "each"
                                           else os.fstat(f.fileno()).st_ino))
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.send_body(f, first, last + 1 - first)

    def send_body(self, f, first, left):
        f.seek(first)
        most = min(int(opt.get("cut", left)), int(opt.get("stall", left)))
        try:
            while left and most:
                data = f.read(min(left, most, 65536))
                self.wfile.write(data)
                left -= len(data)
                most -= len(data)
            if left and "stall" in opt:
                self.wfile.flush()
                time.sleep(60)
        except OSError:
            left = 1
        if left:
            self.close_connection = True


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, address):
        pass

    def finish_request(self, request, address):
        if "tls" in opt:
            cert, key = opt["tls"].split(",")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            request = context.wrap_socket(request, server_side=True)
        super().finish_request(request, address)


with Server(("127.0.0.1", 0), Handler) as server:
    name = opt.get("port", "port")
    with open(name + ".new", "w") as f:
        print(server.server_address[1], file=f)
    os.rename(name + ".new", name)
    server.serve_forever()
