package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa/server"
)

func dbCopyCommand(f *flags) *cobra.Command {
	var o server.CopyOrder
	var passwordFile string
	cmd := &cobra.Command{
		Use: "copy --to URL", Short: "Take the running portal to another database", Args: cobra.NoArgs,
		Long: `Copies the portal from the database of the home (--home) to an empty one, of any engine, while its nodes
go on serving. What changes meanwhile is caught by triggers, and at the end the portal takes no writes for a
moment. After that the old database takes none any more, and its nodes say which address to set.

A copy that was cut off goes on when the command is repeated. --abort gives it up. --undo takes a move back
as long as nothing was written at the new place.`,
		Example: "  stoa db copy --to postgres://stoa@db.example.com/stoa --password-file /etc/stoa/new-password",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.To == "" {
				return fmt.Errorf("--to is missing: the address of the database that the portal is to go to, such as " +
					"postgres://user@host/name")
			}
			if o.Abort && o.Undo {
				return fmt.Errorf("--abort is for a copy that has not ended, --undo for one that has: give one of them")
			}
			var err error
			if o.Password, err = readPassword(passwordFile); err != nil {
				return err
			}
			cfg, err := f.load()
			if err != nil {
				return err
			}
			ctx, stop := interrupted()
			defer stop()
			if err := mustBePortal(ctx, cfg); err != nil {
				return err
			}
			o.Progress, o.Stores = steps(os.Stderr), stores()
			text, err := server.CopyDatabase(ctx, cfg, o, warnings())
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), text)
			return nil
		},
	}
	cmd.Flags().StringVar(&o.To, "to", "", "address of the target: postgres://, mariadb:// or mysql:// (their jdbc: "+
		"forms as well)")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password for the target, so that it "+
		"does not stand in the list of processes")
	cmd.Flags().BoolVar(&o.ReadOnly, "read-only", false, "make no triggers: the portal takes no writes while it is "+
		"copied")
	cmd.Flags().BoolVar(&o.Abort, "abort", false, "give up a copy that was cut off: no triggers stay, and the target "+
		"is emptied")
	cmd.Flags().BoolVar(&o.Undo, "undo", false, "take a move back, as long as the target took no write of its own")
	cmd.Flags().StringVar(&o.Files, "files", "", "folder that gets a copy of the files as well (default: the file "+
		"store stays where it is)")
	return cmd
}
