#!/bin/sh
# Before files are unpacked: the user that the portal runs as.
set -e
if ! getent passwd stoa >/dev/null; then
  useradd --system --user-group --home-dir /var/lib/stoa --no-create-home --shell /usr/sbin/nologin stoa
fi
