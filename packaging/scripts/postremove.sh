#!/bin/sh
# After files are removed. $1: deb "remove", "purge" or "upgrade", rpm 0 or 1. What the portal keeps in its home is
# not the package's: a purge takes the settings, and the user only when there is nothing left that belongs to it.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
if [ "$1" = purge ]; then
  rm -f /etc/stoa/portal-ext.properties /etc/default/stoa
  rmdir --ignore-fail-on-non-empty /etc/stoa 2>/dev/null || true
  if [ -L /var/lib/stoa/portal-ext.properties ]; then
    rm -f /var/lib/stoa/portal-ext.properties
  fi
  rmdir /var/lib/stoa 2>/dev/null || true
  if [ -d /var/lib/stoa ]; then
    echo "stoa: the data of the portal stays in /var/lib/stoa; remove the folder and the user stoa by hand" >&2
  elif getent passwd stoa >/dev/null; then
    userdel stoa || true
  fi
fi
