# Part of the scripts of both packages: the new program takes over. It is one
# restart and not a stop and a start, because `stop` would empty systemd's store
# of sockets. A config file that the new program does not like leaves the old one
# running.
take_over() {
	systemctl is-active --quiet portico.service || return 0
	if STATE_DIRECTORY=/var/lib/portico RUNTIME_DIRECTORY=/run/portico \
		CREDENTIALS_DIRECTORY=/run/credentials/portico.service \
		/usr/bin/portico validate /etc/portico/config.hcl >/dev/null; then
		systemctl try-restart portico.service ||
			echo "portico: the restart failed; see: systemctl status portico" >&2
	else
		echo "portico: the new version does not accept /etc/portico/config.hcl, see above; the old" >&2
		echo "one goes on running. Correct the file, then: systemctl restart portico" >&2
	fi
}

prepare_system() {
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers portico.conf
		systemd-tmpfiles --create portico.conf
	else
		getent passwd portico >/dev/null ||
			useradd --system --home-dir /var/lib/portico --shell /usr/sbin/nologin --user-group portico
		chgrp portico /etc/portico
	fi
}
