package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa/server"
)

func importCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "import", Short: "Bring a site in"}
	var req server.ControlRequest
	wp := &cobra.Command{
		Use: "wordpress FILE.xml", Short: "Bring a WordPress export in (Tools → Export in WordPress)", Args: cobra.ExactArgs(1),
		Long: "Reads and checks the whole file, then writes posts, pages, categories, tags, menus and old addresses.\nA second run changes nothing; a run that was cut off goes on where it stopped.",
		RunE: func(c *cobra.Command, args []string) error {
			for _, p := range []struct{ to, from *string }{{&req.File, &args[0]}, {&req.Media, &req.Media}} {
				if *p.from == "" {
					continue
				}
				abs, err := filepath.Abs(*p.from)
				if err != nil {
					return err
				}
				*p.to = abs
			}
			if _, err := os.Stat(req.File); err != nil {
				return fmt.Errorf("the export %s cannot be read: %w", req.File, err)
			}
			req.Progress = progress(os.Stderr)
			return onNode(f, "import/wordpress", req, func(ctx context.Context, s *server.Server) (string, error) {
				return s.ImportWordPress(ctx, req)
			})
		},
	}
	wp.Flags().StringVar(&req.Site, "site", "", "name of the site in /web/NAME; made when it is new (default: the default site)")
	wp.Flags().StringVar(&req.Media, "media", "", "folder with the files of wp-content/uploads")
	wp.Flags().StringVar(&req.HomePage, "home-page", "", "slug of the page that becomes the home (default: the list of posts)")
	wp.Flags().BoolVar(&req.DryRun, "dry-run", false, "write nothing; give the report that a run would give")
	wp.Flags().BoolVar(&req.Verbose, "verbose", false, "leave nothing out of the report, and name blocks")
	cmd.AddCommand(wp)
	return cmd
}

// terminal reports whether a person looks at what is written to w, not a file or another program.
func terminal(w *os.File) bool {
	st, err := w.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// progress draws a bar on a terminal line; elsewhere, such as in a log file, there is none.
func progress(w *os.File) func(done, total int) {
	if !terminal(w) {
		return nil
	}
	return func(done, total int) {
		const width = 30
		full := width * done / max(total, 1)
		bar := make([]byte, width)
		for i := range bar {
			bar[i] = '.'
			if i < full {
				bar[i] = '='
			}
		}
		fmt.Fprintf(w, "\r[%s] %d of %d", bar, done, total)
		if done == total {
			fmt.Fprintln(w)
		}
	}
}
