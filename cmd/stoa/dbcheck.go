package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbcheck"
	"github.com/stoa-portal/stoa/server"
)

func dbCheckCommand(f *flags) *cobra.Command {
	var asJSON bool
	var url string
	var nodes int
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether the database is fit for a cluster, and mend lines for what is not",
		Args:  cobra.NoArgs,
		Long: "Asks each server of jdbc.default.url (or jdbc.write.url, and jdbc.read.url) about versions, " +
			"settings, encoding, privileges,\nconnections and replication, and measures the way there. It writes " +
			"nothing that stays and needs no node.\nExit codes: 0 well, 1 something is wrong, 2 no server could be " +
			"looked at.",
		RunE: func(c *cobra.Command, _ []string) error {
			o := dbcheck.Options{Write: db.Options{URL: url}, Nodes: nodes}
			var cfg *config.Config // of the home whose database it is
			if url == "" {
				var err error
				if cfg, err = f.load(); err != nil {
					return &exit{exitBlind, err}
				}
				o = checkOptions(cfg, nodes)
			}
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			r, err := dbcheck.Run(ctx, o)
			if err != nil {
				return &exit{exitBlind, err}
			}
			unfit, err := server.Unfit(ctx, o.Write, cfg)
			if err != nil {
				return &exit{exitBlind, fmt.Errorf("what the database holds could not be looked at: %w", err)}
			}
			for _, u := range slices.Backward(unfit) { // the worst stands first
				r.Findings = slices.Insert(r.Findings, 0, dbcheck.Finding{Code: u.Code, Severity: dbcheck.Critical,
					Text: strings.TrimSuffix(u.Text, "."), Fix: u.Mend})
			}
			if asJSON {
				out := json.NewEncoder(c.OutOrStdout())
				out.SetIndent("", "  ")
				err = out.Encode(r)
			} else {
				err = printCheck(c.OutOrStdout(), r)
			}
			if err != nil {
				return err
			}
			if w := r.Worst(); w == dbcheck.Critical || w == dbcheck.Warning {
				return &exit{code: exitWrong}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	cmd.Flags().StringVar(&url, "url", "", "address of another database, with user and password in it")
	cmd.Flags().IntVar(&nodes, "nodes", 0, "how many nodes there will be (default: as many as live on the database now)")
	cmd.Flags().DurationVar(&limit, "timeout", time.Minute, "how long to look at most")
	return cmd
}

// checkOptions are the sources of the properties.
func checkOptions(c *config.Config, nodes int) dbcheck.Options {
	o := dbcheck.Options{Write: server.WriteOptions(c), Read: server.ReadOptions(c), Nodes: nodes,
		Cluster: c.Cluster.Enabled}
	return o
}

func printCheck(w io.Writer, r dbcheck.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVER\tROLE\tVERSION\tTHERE AND BACK\t99 OF 100\tCOMMIT\tBEHIND\tPOOLER")
	for _, h := range r.Hosts {
		trip, slow, commit, lag := "", "", "", ""
		if h.Trip != nil {
			trip, slow = short(h.Trip.P50), short(h.Trip.P99)
		}
		if h.Commit != nil {
			commit = short(h.Commit.P50)
		}
		if h.Lag != nil {
			lag = h.Lag.Round(time.Millisecond).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Name, h.Role, strings.TrimSpace(h.Product+" "+h.Version),
			trip, slow, commit, lag, h.Pooler)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nReplication: %s. Counted with %d node(s) of %d connections.\n", r.Replication, r.Nodes, r.Pool)
	for _, f := range r.Findings {
		fmt.Fprintf(w, "\n%s %s (%s)\n  %s.\n", strings.ToUpper(string(f.Severity)), f.Code,
			cmp.Or(strings.Join(f.Hosts, ", "), "the database"), f.Text)
		if f.Fix != "" {
			fmt.Fprintf(w, "  Fix: %s\n", f.Fix)
		}
	}
	if w2 := r.Worst(); w2 == "" || w2 == dbcheck.Note {
		_, err := fmt.Fprintln(w, "\nThe database is fit.")
		return err
	}
	return nil
}
