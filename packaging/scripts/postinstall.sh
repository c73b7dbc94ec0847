#!/bin/sh
# After files are unpacked. $1: deb "configure", rpm 1 for the first installation and 2 for an upgrade.
set -e
if [ ! -d /var/lib/stoa ]; then
  install -d -m 0750 -o stoa -g stoa /var/lib/stoa
fi
chown root:stoa /etc/stoa/portal-ext.properties
# Commands that are told the home find the settings there, too. A file that an owner has put there stays.
if [ ! -e /var/lib/stoa/portal-ext.properties ] && [ ! -L /var/lib/stoa/portal-ext.properties ]; then
  ln -s /etc/stoa/portal-ext.properties /var/lib/stoa/portal-ext.properties
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # A node that runs goes on with the new program; one that does not is not started before it has its settings.
  systemctl try-restart stoa.service
fi
