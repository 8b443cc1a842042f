# portico in a container: docker build -t portico .
# How to run it, and what a restart means where no systemd keeps the sockets, is
# in examples/docker/README.md.

# Built on the machine's own kind, for the one that is asked for.
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
ARG TARGETARCH
ARG VERSION=0.0.0
ARG SOURCE_DATE_EPOCH=1
WORKDIR /src
# What is fetched is kept as long as these files stay as they are.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN ARCH=$TARGETARCH packaging/image /root-of-image

# The program, CAs, a config: no shell, nothing to update but portico.
FROM scratch
COPY --from=build /root-of-image/etc /etc
COPY --from=build /root-of-image/usr /usr
COPY --from=build /root-of-image/tmp /tmp
COPY --from=build --chown=10001:10001 /root-of-image/var/lib/portico /var/lib/portico
COPY --from=build --chown=10001:10001 /root-of-image/run/portico /run/portico
# The folders of data and of the admin socket, as systemd names them.
ENV STATE_DIRECTORY=/var/lib/portico RUNTIME_DIRECTORY=/run/portico PORTICO_CONFIG=/etc/portico/config.hcl
# The shipped config listens where this says; which ports are open is up to
# `docker run -p`.
ENV PORTICO_VAR_ip=0.0.0.0
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
VOLUME ["/var/lib/portico"]
EXPOSE 3001 2001 8080
STOPSIGNAL SIGTERM
# Ready: everything is bound, every service is well.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/bin/portico", "status"]
ENTRYPOINT ["/usr/bin/portico"]
CMD ["run"]
