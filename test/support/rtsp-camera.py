#!/usr/bin/python3
"""A real RTSP camera: one session at a time, an already encoded stream, digest authentication.

    rtsp-camera.py FILE.mkv USER PASSWORD VIDEO AUDIO

VIDEO and AUDIO are codec names (h264, h265, none; aac, mulaw, none). Prints one JSON object a line: {"port": N} when it listens,
{"event": "connected" | "session" | "closed"} afterwards. An encoder here would make a fresh key frame for each reader and so
hide loss; a stream that is encoded already does not.
"""
import json
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

VIDEO = {
    "h264": "h264parse ! rtph264pay name=pay{0} pt=96 config-interval=-1",
    "h265": "h265parse ! rtph265pay name=pay{0} pt=96 config-interval=-1",
}
AUDIO = {
    "aac": "aacparse ! rtpmp4gpay name=pay{0} pt=97",
    "mulaw": "rtppcmupay name=pay{0} pt=0",
}


def say(**what):
    print(json.dumps(what), flush=True)


def pipeline(path, video, audio):
    parts = [f"filesrc location={path} ! matroskademux name=demux"]
    pads = [("video_0", VIDEO.get(video)), ("audio_0", AUDIO.get(audio))]
    for number, (pad, payloader) in enumerate(p for p in pads if p[1]):
        parts.append(f"demux.{pad} ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! {payloader.format(number)}")
    return "( " + " ".join(parts) + " )"


def protect(server, factory, user, password):
    auth = GstRtspServer.RTSPAuth.new()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions.new()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", permission, True)
    factory.set_permissions(permissions)


def main():
    path, user, password, video, audio = sys.argv[1:6]
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service("0")
    pool = GstRtspServer.RTSPSessionPool.new()
    pool.set_max_sessions(1)
    server.set_session_pool(pool)
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(pipeline(path, video, audio))
    protect(server, factory, user, password)
    server.get_mount_points().add_factory("/main", factory)

    def on_session(_, session):
        # What a reader that died leaves behind blocks the next one until then.
        session.set_timeout(3)
        say(event="session")

    def on_client(_, client):
        say(event="connected")
        client.connect("new-session", on_session)
        client.connect("closed", lambda *_: say(event="closed"))

    server.connect("client-connected", on_client)
    server.attach(None)
    loop = GLib.MainLoop()
    GLib.timeout_add_seconds(1, lambda: pool.cleanup() >= 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
    say(port=server.get_bound_port())
    loop.run()


main()
