package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/server"
)

const (
	// statusLimit is how long a node that lives may take to ask all others.
	statusLimit = 10 * time.Second
	// watchPause is between two looks of --watch.
	watchPause = 2 * time.Second
	// eventsListed is how many events are listed.
	eventsListed = 50
)

func clusterCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "cluster", Short: "Look after the nodes"}
	cache := &cobra.Command{Use: "cache", Short: "Look after the caches of all nodes"}
	cache.AddCommand(&cobra.Command{
		Use:   "clear",
		Short: "Empty all caches on all nodes, as after SQL by hand",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return onNode(f, "cluster/cache/clear", server.ControlRequest{},
				func(ctx context.Context, s *server.Server) (string, error) { return s.ClearCachesText(ctx) })
		},
	})
	cmd.AddCommand(statusCommand(f), eventsCommand(f), cache, forgetCommand(f))
	return cmd
}

func statusCommand(f *flags) *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show every node, what is wrong, and what has happened",
		Args:  cobra.NoArgs,
		Long: "Asks the node that runs on the home or, where none runs or answers, reads the rows of the " +
			"database. It only looks: nothing is written or made.\n" +
			"Exit codes: 0 all is well; 1 something is wrong (a critical finding or a warning, or a critical " +
			"event that has not been read); 2 nothing could be seen.\n" +
			"docs/operate/findings.md explains every code.",
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := interruptible()
			defer stop()
			out := c.OutOrStdout()
			if !watch {
				return showStatus(ctx, f, out, asJSON)
			}
			for {
				var b strings.Builder
				err := showStatus(ctx, f, &b, asJSON)
				if ctx.Err() != nil {
					return nil
				}
				if terminal(os.Stdout) && !asJSON {
					fmt.Fprint(out, "\x1b[H\x1b[2J")
				}
				if !asJSON {
					fmt.Fprintln(out, time.Now().Format(time.DateTime))
				}
				fmt.Fprint(out, b.String())
				if err != nil && err.Error() != "" {
					fmt.Fprintln(out, err)
				}
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(watchPause):
				}
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	cmd.Flags().BoolVar(&watch, "watch", false, "look again every 2 seconds until interrupted")
	return cmd
}

// showStatus looks once. Its error carries the exit code.
func showStatus(ctx context.Context, f *flags, w io.Writer, asJSON bool) error {
	st, err := lookAtCluster(ctx, f)
	if err != nil {
		return &exit{exitBlind, err}
	}
	if asJSON {
		raw, err := json.MarshalIndent(st, "", "  ")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, string(raw)); err != nil {
			return err
		}
	} else if err := printCluster(w, st); err != nil {
		return err
	}
	if !st.Well() {
		return &exit{code: exitWrong}
	}
	return nil
}

// lookAtCluster asks the node of the home, or reads the rows.
func lookAtCluster(ctx context.Context, f *flags) (st cluster.Status, err error) {
	c, err := f.load()
	if err != nil {
		return st, err
	}
	limit, cancel := context.WithTimeoutCause(ctx, statusLimit,
		&server.MuteError{Home: c.Home, PID: server.Holder(c.Home)})
	defer cancel()
	text, running, err := server.Control(limit, c.Home, "cluster/status", server.ControlRequest{})
	var mute *server.MuteError
	switch {
	case ctx.Err() != nil:
		return st, ctx.Err()
	case errors.As(err, &mute), !running && err == nil:
		return server.Look(ctx, c, mute)
	case err != nil:
		return st, err
	}
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		return st, fmt.Errorf("the node's answer cannot be read; is it of another version? %w", err)
	}
	return st, nil
}

func eventsCommand(f *flags) *cobra.Command {
	var asJSON bool
	var read string
	cmd := &cobra.Command{
		Use:   "events",
		Short: "List what has happened to the cluster; --read ID or --read all marks it as read",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := interruptible()
			defer stop()
			cfg, err := f.load()
			if err != nil {
				return &exit{exitBlind, err}
			}
			text, running, err := server.Control(ctx, cfg.Home, "cluster/events",
				server.ControlRequest{Read: read, Limit: eventsListed})
			var mute *server.MuteError
			if read != "" {
				switch {
				case err != nil:
					return err
				case !running:
					return fmt.Errorf(
						"no node runs on the home %s, and only a node marks events as read; run the command on a "+
							"host where one does, or use Control Panel → Cluster → Nodes",
						cfg.Home,
					)
				}
				fmt.Fprintln(c.OutOrStdout(), text)
				return nil
			}
			var events []cluster.Event
			switch {
			case errors.As(err, &mute), !running && err == nil:
				events, err = server.LookEvents(ctx, cfg, eventsListed, mute != nil)
			case err == nil:
				err = json.Unmarshal([]byte(text), &events)
			}
			if err != nil {
				return &exit{exitBlind, err}
			}
			if asJSON {
				raw, err := json.MarshalIndent(append([]cluster.Event{}, events...), "", "  ")
				if err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), string(raw))
				return nil
			}
			if len(events) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "Nothing has happened yet.")
			}
			printEvents(c.OutOrStdout(), events)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	cmd.Flags().StringVar(&read, "read", "", "mark the event with this `ID`, or all, as read")
	return cmd
}

func forgetCommand(f *flags) *cobra.Command {
	var dead bool
	cmd := &cobra.Command{Use: "forget NODE", Short: "Take a node that was killed and is not to come back off the list",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case dead && len(args) > 0:
				return errors.New("--dead forgets all that are dead, so no node is named")
			case !dead && len(args) != 1:
				return errors.New("one node is expected, by its name or id, or --dead for all that are dead")
			}
			return nil
		},
		Long: "Takes a dead node off the list, as the button in Control Panel → Cluster → Nodes does. NODE is its " +
			"name or its id.\n" +
			"--dead takes all off that are dead, as is right for nodes that come back under other names.\n" +
			"A node that only hung is expelled: should it come back after all, it has to be restarted.\n" +
			"One that runs is never forgotten, and one that was stopped has left by itself.",
		RunE: func(_ *cobra.Command, args []string) error {
			if dead {
				return onNode(f, "cluster/forget", server.ControlRequest{Dead: true},
					func(ctx context.Context, s *server.Server) (string, error) { return s.ForgetDead(ctx) })
			}
			return onNode(f, "cluster/forget", server.ControlRequest{Node: args[0]},
				func(ctx context.Context, s *server.Server) (string, error) { return s.ForgetText(ctx, args[0]) })
		}}
	cmd.Flags().BoolVar(&dead, "dead", false, "forget all nodes that are dead")
	return cmd
}

// printCluster shows the cluster for people: what is wrong and what has happened, then the tables.
func printCluster(w io.Writer, st cluster.Status) error {
	printVerdict(w, st)
	from := "as its rows tell"
	if st.Asker != "" {
		from = "as " + st.Asker + " saw it"
	}
	fmt.Fprintf(w, "\nCluster Link %s, database %s, master %s, %s\n",
		orElse(st.Link, "not known"), st.Database, orElse(st.Master, "none"), from)
	if len(st.Nodes) > 0 {
		if err := printNodes(w, st); err != nil {
			return err
		}
	}
	printLatencies(w, st)
	for i, s := range st.Unseen {
		if i == 0 {
			fmt.Fprintln(w, "\nNot seen:")
		}
		fmt.Fprintf(w, "  %s\n", s)
	}
	return nil
}

// printVerdict says what is wrong, what is good to know, and what has happened.
func printVerdict(w io.Writer, st cluster.Status) {
	switch {
	case len(st.Wrong) > 0:
		fmt.Fprintln(w, "Wrong:")
		for _, f := range st.Wrong {
			printFinding(w, f)
		}
	case st.Asker == "":
		fmt.Fprintln(w, "Nothing is wrong, as far as the rows tell.")
	default:
		fmt.Fprintln(w, "Nothing is wrong.")
	}
	if len(st.Notes) > 0 {
		fmt.Fprintln(w, "\nGood to know:")
		for _, f := range st.Notes {
			printFinding(w, f)
		}
	}
	if st.Unread > 0 {
		fmt.Fprintf(w, "\nEvents not read (%d; stoa cluster events --read all):\n", st.Unread)
		printEvents(w, st.Events)
	}
}

func printFinding(w io.Writer, f cluster.Finding) {
	fmt.Fprintf(w, "  %-8s  %s\n            %s.\n            [%s]\n", f.Severity, f.Text, upper(f.Mend), f.Code)
	for _, c := range f.Follows {
		fmt.Fprintf(w, "            → %s\n", c.Text)
	}
}

func printEvents(w io.Writer, events []cluster.Event) {
	for _, e := range events {
		id := "not written yet"
		if e.ID != 0 {
			id = e.ID.String()
		}
		fmt.Fprintf(w, "  %-8s  %s  %s", e.Severity, e.At.Local().Format(time.DateTime), e.Text)
		if e.Times > 1 {
			fmt.Fprintf(w, " (%d times, the last at %s)", e.Times, e.Until.Local().Format(time.TimeOnly))
		}
		fmt.Fprintf(w, "\n            [%s] id %s, told by %s", e.Code, id, orElse(e.Node, "no node"))
		if !e.ReadAt.IsZero() {
			fmt.Fprintf(w, ", read by %s at %s",
				orElse(e.ReadBy, "the operator"), e.ReadAt.Local().Format(time.DateTime))
		}
		fmt.Fprintln(w)
		if e.Mend != "" && e.ReadAt.IsZero() {
			fmt.Fprintf(w, "            %s.\n", upper(e.Mend))
		}
	}
}

func printNodes(w io.Writer, st cluster.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if st.Asker == "" {
		fmt.Fprintln(t, "\nNODE\tSTATE\tHOST\tCLUSTER ADDRESS\tVERSION\tSTARTED\tLAST BEAT, BY ITS CLOCK")
		for _, n := range st.Nodes {
			state := n.Condition()
			if n.Master {
				state += ", master"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orElse(n.Label, n.Name), state, n.Host, n.Address, n.Version,
				n.Started.Local().Format(time.DateTime), n.Seen.Local().Format(time.DateTime))
		}
		return t.Flush()
	}
	fmt.Fprintln(t, "\nNODE\tSTATE\tHOST\tCLUSTER ADDRESS\tHTTP ADDRESS\tVERSION\tUPTIME\tCLOCK\tBEHIND\tPROOF\tHINTS "+
		"SENT\tRECEIVED\tLOST\tREPAIRED")
	for _, n := range st.Nodes {
		name, state := orElse(n.Label, n.Name), n.Condition()
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
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\n", name, state, n.Host, n.Address,
			n.HTTP, n.Version, n.Uptime, signed(n.ClockOffset), n.Lag, age(n.ProofAge), n.HintsSent, n.HintsGot,
			n.HintsLost, n.Repaired)
	}
	return t.Flush()
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
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n",
				orElse(n.Label, n.Name), l.Node, short(l.P50), short(l.P99), short(l.Max), l.Lost)
		}
	}
	_ = t.Flush() // w has been written to without an error
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// upper makes a sentence begin with a capital letter, unless it begins with a name of ours.
func upper(s string) string {
	if first, _, _ := strings.Cut(s, " "); s == "" || strings.ContainsAny(first, ".=_/") || first == "stoa" ||
		first == "kill" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
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
