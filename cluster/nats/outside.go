package nats

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	client "github.com/nats-io/nats.go"
)

// OutsideOptions says how to use a NATS cluster that runs outside of the nodes. URLs and Cluster are
// required.
type OutsideOptions struct {
	URLs        []string // nats://host:4222 or tls://host:4222
	Credentials string   // file with the credentials; may be empty
	CA          string   // file with the certificate authority of the server; empty: those of the system
	Certificate string   // files with the certificate and key of this client; may be empty
	Key         string
	Cluster     string // identity of the cluster, from its database
	Secret      string // cluster.link.auth.value; without it only hints may travel
	Lost        func(reason string)
	Logger      *slog.Logger
}

// ErrNoSecret says why nodes cannot call each other over a message server outside without a secret:
// any client of that server could call them as well.
const ErrNoSecret = "nodes do not call each other over a message server outside without cluster.link.auth.value; set it to the same secret on all nodes"

// Connect uses a message server outside. The first connection must succeed; later ones are repeated.
func Connect(o OutsideOptions) (*Transport, error) {
	if len(o.URLs) == 0 || o.Cluster == "" {
		return nil, errors.New("nats: OutsideOptions.URLs and Cluster are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := newTransport(o.Lost, o.Logger)
	t.hints.prefix = "stoa." + o.Cluster + "."
	t.rest.prefix = t.hints.prefix
	if o.Secret != "" {
		t.hints.seal = newSealer(o.Secret, o.Cluster)
		t.rest.seal = t.hints.seal
	}
	options := []client.Option{client.Timeout(5 * time.Second), client.Secure(&tls.Config{MinVersion: tls.VersionTLS12})}
	if !strings.Contains(strings.Join(o.URLs, ","), "tls://") && o.CA == "" && o.Certificate == "" {
		options = options[:1] // the server decides
	}
	if o.Credentials != "" {
		options = append(options, client.UserCredentials(o.Credentials))
	}
	if o.CA != "" {
		options = append(options, client.RootCAs(o.CA))
	}
	if o.Certificate != "" {
		options = append(options, client.ClientCert(o.Certificate, o.Key))
	}
	if err := t.connect(strings.Join(o.URLs, ","), options...); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the message server (cluster.link.nats.urls): %w", err), t.Close())
	}
	return t, nil
}
