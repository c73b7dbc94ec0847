# One node of Stoa: the program, the certificates of authorities, and a home. Build and run:
#   docker build --build-arg VERSION=0.1.0 -t stoa .
#   docker run -p 8080:8080 -v stoa:/home/stoa stoa
# Settings come as environment variables (docs/properties.md), or as portal-ext.properties in the home.
FROM golang:1.26 AS build
ARG VERSION=
WORKDIR /source
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X github.com/stoa-portal/stoa.release=$VERSION" -o /out/root/usr/bin/stoa ./cmd/stoa
# Folders that the portal writes to are made here, as nothing below can make one: its home, and one for uploads.
RUN mkdir -p /out/home/stoa /out/root/tmp && chmod 0700 /out/home/stoa && chmod 1777 /out/root/tmp
RUN mkdir -p /out/root/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /out/root/etc/ssl/certs/
RUN cp cmd/stoa/notices.txt /out/root/NOTICES.txt

FROM scratch
COPY --from=build /out/root /
# The user is a number, and needs no file of names.
COPY --from=build --chown=65532:65532 /out/home /home
ENV STOA_HOME=/home/stoa
WORKDIR /home/stoa
USER 65532:65532
VOLUME /home/stoa
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=10s --start-period=120s CMD ["/usr/bin/stoa", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/stoa"]
CMD ["serve"]
