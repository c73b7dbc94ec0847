package main

import "github.com/spf13/cobra"

func dbCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "db", Short: "Look after the database"}
	cmd.AddCommand(dbCheckCommand(f), dbRestoredCommand(f), dbAdoptCommand(f))
	return cmd
}
