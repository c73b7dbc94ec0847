package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/server"
)

func clusterCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "cluster", Short: "Look after the nodes"}
	var asJSON bool
	status := &cobra.Command{Use: "status", Short: "Show every node and what is wrong", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		text, err := askNode(f, "cluster/status", server.ControlRequest{}, func(ctx context.Context, s *server.Server) (string, error) {
			return s.ClusterText(ctx)
		})
		if err != nil {
			return err
		}
		if asJSON {
			fmt.Fprintln(c.OutOrStdout(), text)
			return nil
		}
		var st cluster.Status
		if err := json.Unmarshal([]byte(text), &st); err != nil {
			return fmt.Errorf("the node's answer cannot be read; is it of another version? %w", err)
		}
		return printCluster(c.OutOrStdout(), st)
	}}
	status.Flags().BoolVar(&asJSON, "json", false, "for programs")
	cache := &cobra.Command{Use: "cache", Short: "Look after the caches of all nodes"}
	cache.AddCommand(&cobra.Command{Use: "clear", Short: "Empty all caches on all nodes, as after SQL by hand", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return onNode(f, "cluster/cache/clear", server.ControlRequest{}, func(ctx context.Context, s *server.Server) (string, error) {
			return s.ClearCachesText(ctx)
		})
	}})
	forget := &cobra.Command{Use: "forget NODE", Short: "Take a node that was killed and is not to come back off the list", Args: cobra.ExactArgs(1),
		Long: "Takes a dead node off the list, as the button in Control Panel → Cluster → Nodes does. NODE is its name or its id.\nA node that only hung is expelled: should it come back after all, it has to be restarted.\nOne that runs is never forgotten, and one that was stopped has left by itself.",
		RunE: func(_ *cobra.Command, args []string) error {
			return onNode(f, "cluster/forget", server.ControlRequest{Node: args[0]}, func(ctx context.Context, s *server.Server) (string, error) {
				return s.ForgetText(ctx, args[0])
			})
		}}
	cmd.AddCommand(status, cache, forget)
	return cmd
}

// printCluster shows the cluster as tables for people.
func printCluster(w io.Writer, st cluster.Status) error {
	fmt.Fprintf(w, "Cluster Link %s, database %s, master %s\n\n", st.Link, st.Database, orNone(st.Master))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tHOST\tFOR NODES\tFOR PEOPLE\tVERSION\tUPTIME\tCLOCK\tBEHIND\tPROOF\tHINTS SENT\tGOT\tLOST\tREPAIRED")
	for _, n := range st.Nodes {
		name, state := n.Name, n.State
		if n.Self {
			name += " *"
		}
		if n.Master {
			state += ", master"
		}
		if !n.Answered() {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\t%s\n", name, state, n.Host, n.Address, n.Version)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\n", name, state, n.Host, n.Address, n.HTTP, n.Version, n.Uptime,
			signed(n.ClockOffset), n.Lag, age(n.ProofAge), n.HintsSent, n.HintsGot, n.HintsLost, n.Repaired)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	printLatencies(w, st)
	if len(st.Wrong) == 0 {
		_, err := fmt.Fprintln(w, "\nNothing is wrong.")
		return err
	}
	fmt.Fprintln(w, "\nWrong:")
	for _, p := range st.Wrong {
		fmt.Fprintf(w, "  %s\n    %s.\n", p.Text, p.Mend)
	}
	return nil
}

func printLatencies(w io.Writer, st cluster.Status) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	any := false
	for _, n := range st.Nodes {
		for _, l := range n.Latencies {
			if !any {
				fmt.Fprintln(t, "\nHINTS, THERE AND BACK\tTO\tHALF WITHIN\t99 OF 100\tSLOWEST\tNOT ANSWERED")
				any = true
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", n.Name, l.Node, short(l.P50), short(l.P99), short(l.Max), l.Lost)
		}
	}
	_ = t.Flush() // w has been written to without an error
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

func age(d time.Duration) string {
	if d < 0 {
		return "none"
	}
	return d.Round(time.Millisecond).String()
}

func signed(d time.Duration) string {
	if s := d.String(); strings.HasPrefix(s, "-") || d == 0 {
		return s
	}
	return "+" + d.String()
}
