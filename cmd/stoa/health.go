package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoa-portal/stoa"
)

// healthPatience is how long a node may take to answer; it has as long for the checks behind its answer.
const healthPatience = 8 * time.Second

// healthCommand asks the node of this machine whether it is well, for containers that have no other program.
func healthCommand(f *flags) *cobra.Command {
	var ready bool
	c := &cobra.Command{
		Use: "health", Short: "Ask the node on this machine whether it lives, and exit 1 when it does not",
		Long: "Asks the node that these settings describe, over HTTP on this machine: /livez, which a node answers as\n" +
			"long as its process serves, or with --ready /readyz, which says whether visitors may be sent to it.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			address, err := ownAddress(cfg.Server.Listen)
			if err != nil {
				return err
			}
			path := "/livez"
			if ready {
				path = "/readyz"
			}
			said, err := askHealth(c.Context(), "http://"+address+path)
			if err != nil {
				return err
			}
			fmt.Fprint(c.OutOrStdout(), said)
			return nil
		},
	}
	c.Flags().BoolVar(&ready, "ready", false, "ask whether visitors may be sent here, too")
	return c
}

// ownAddress gives where a node that listens at an address is reached from its own machine.
func ownAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", stoa.Invalid("port", "the node takes any free port, so nothing but its log knows which; "+
			"set portal.instance.inet.socket.address to a port to ask it")
	}
	switch a, err := netip.ParseAddr(host); {
	case host == "" || err == nil && a.IsUnspecified() && a.Is4():
		host = "127.0.0.1"
	case err == nil && a.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}

// askHealth gives what the node says, or why it is not well.
func askHealth(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	// No proxy: HTTP_PROXY is for what the node asks of others.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return "", stoa.Unavailable(err, "the node does not answer: %v", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return "", stoa.Unavailable(err, "the node broke off its answer: %v", err)
	}
	if res.StatusCode != http.StatusOK {
		return "", &exit{code: exitWrong, cause: fmt.Errorf("%s", strings.TrimSpace(string(text)))}
	}
	return string(text), nil
}
