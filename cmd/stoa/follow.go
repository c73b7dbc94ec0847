package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa/server"
)

// followCommand looks after what follows the change log.
func followCommand(f *flags) *cobra.Command {
	tell := func(order, follower string) error {
		req := server.ControlRequest{Order: order, Follower: follower}
		return onNode(f, "follow", req,
			func(ctx context.Context, s *server.Server) (string, error) { return s.FollowText(ctx, req) })
	}
	cmd := &cobra.Command{
		Use:   "follow",
		Short: "Show the followers of the change log, and how far they are",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return tell("", "") },
	}
	for _, sub := range []struct{ order, short string }{
		{"failed", "List what a follower could not do"},
		{"retry", "Let a follower try again what it could not do"},
		{"discard", "Give up what a follower could not do"},
		{"rebuild", "Let a follower look at everything again"},
		{"forget", "Remove a follower that is gone for good, so that it holds the change log back no more"},
	} {
		cmd.AddCommand(&cobra.Command{Use: sub.order + " FOLLOWER", Short: sub.short, Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return tell(sub.order, args[0]) }})
	}
	return cmd
}
