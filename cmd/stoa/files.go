package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/server"
)

// filesCommand looks after the file store.
func filesCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "files", Short: "Look after the file store"}
	var finish, status, cancel bool
	move := &cobra.Command{
		Use:   "move",
		Short: "Move the files of the running portal to another store",
		Args:  cobra.NoArgs,
		Long: `Brings the files of the running portal to the store of dl.store.move.*, which every node needs in its ` +
			`settings and
has to reach: new files go there at once, what there is already is copied and compared, by one node after the other if
need be, and then all nodes use that store. The store of before is read until stoa files move --finish.`,
		RunE: func(*cobra.Command, []string) error {
			req := server.ControlRequest{Order: server.MoveStart}
			switch orders := btoi(finish) + btoi(status) + btoi(cancel); {
			case orders > 1:
				return stoa.Invalid("order", "of --status, --cancel and --finish one is expected at a time")
			case finish:
				req.Order = server.MoveFinish
			case cancel:
				req.Order = server.MoveCancel
			case status:
				req.Order = ""
			}
			return onNode(f, "files/move", req, func(ctx context.Context, s *server.Server) (string, error) {
				return s.MoveText(ctx, req)
			})
		},
	}
	move.Flags().BoolVar(&status, "status", false, "say how far it is, and what is to be done")
	move.Flags().BoolVar(&cancel, "cancel", false, "take it back before all files are there: "+
		"what only the target has is copied back")
	move.Flags().BoolVar(&finish, "finish", false, "end it: the store of before is needed no more")
	cmd.AddCommand(move)
	return cmd
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
