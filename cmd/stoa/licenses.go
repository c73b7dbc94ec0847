package main

import (
	_ "embed"
	"io"

	"github.com/spf13/cobra"
)

// notices are the licences of everything that goes into the program, made by tools/notices.
//
//go:embed notices.txt
var notices string

func licensesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "licenses", Aliases: []string{"licences"}, Short: "Print the licences of the software that Stoa contains",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), notices)
			return err
		},
	}
}
