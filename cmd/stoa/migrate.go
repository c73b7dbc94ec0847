package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa/server"
)

func migrateCommand(f *flags) *cobra.Command {
	var o server.MigrateOptions
	cmd := &cobra.Command{Use: "migrate", Short: "Bring the database up to this binary", Args: cobra.NoArgs,
		Long: "Makes the tables of an empty database, or adds to an older schema what this binary needs; nodes of the version\n" +
			"before go on beside it. A node does the same at start, unless schema.run.enabled or upgrade.database.auto.run is false.\n\n" +
			"With --finish, once all nodes are of this version, it also takes away what only older binaries need. After that they\n" +
			"can no longer start, so there is no way back but a restored database.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
			text, err := server.Migrate(c.Context(), cfg, o)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), text)
			return nil
		}}
	cmd.Flags().BoolVar(&o.Finish, "finish", false, "also take away what only older binaries need")
	cmd.Flags().BoolVar(&o.Dry, "dry-run", false, "change nothing and say what would be done")
	return cmd
}
