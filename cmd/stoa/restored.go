package main

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa/server"
)

func dbRestoredCommand(f *flags) *cobra.Command {
	return historyCommand(f, server.RestoredOptions{}, "restored",
		"Say that the database was put back on purpose, so that nodes follow it again",
		"After a restore the database lacks what nodes know, so they refuse it: it could be an old primary or a copy.\n"+
			"This shows what the database has and what this home and the file store know beyond it, asks, and begins a\n"+
			"new incarnation, which every node follows. Nodes may run. All sessions and one-time links end.")
}

func dbAdoptCommand(f *flags) *cobra.Command {
	return historyCommand(f, server.RestoredOptions{Copy: true}, "adopt",
		"Say that a copy of a database is a portal of its own, or that the portal was moved",
		"A database that a node without memory finds on another machine may be a copy: it sends no mail and deletes no\n"+
			"files until this says what it is. Give a copy a file store of its own first (dl.store.file.system.root.dir).")
}

// historyCommand begins a new incarnation after the operator has agreed.
func historyCommand(f *flags, o server.RestoredOptions, name, short, long string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Long:  long,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			ctx, stop := interruptible()
			defer stop()
			if err := mustBePortal(ctx, cfg); err != nil {
				return err
			}
			out := c.OutOrStdout()
			o.Stores = stores()
			o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
			o.Consent = func(plan string) bool {
				fmt.Fprint(out, plan)
				if yes {
					return true
				}
				fmt.Fprint(out, "Go on? Type yes: ")
				answer, _ := bufio.NewReader(c.InOrStdin()).ReadString('\n') // no answer is not yes
				return strings.TrimSpace(answer) == "yes"
			}
			text, err := server.Restored(ctx, cfg, o)
			if err != nil {
				return err
			}
			fmt.Fprintln(out, text)
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&o.Server, "server", "", "which of several hosts of the address, as host:port")
	return cmd
}
