#!/bin/sh
# Before files are removed, but not when an upgrade replaces them. $1: deb "remove" or "upgrade", rpm 0 or 1.
set -e
case "$1" in
remove | 0)
  if [ -d /run/systemd/system ]; then
    systemctl disable --now stoa.service || true
  fi
  ;;
esac
