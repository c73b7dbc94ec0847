package main

import (
	"context"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/server"
)

func generateCommand(f *flags) *cobra.Command {
	var req server.ControlRequest
	n := &req.Generate
	size := ""
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Fill the portal with sites, pages, articles, made-up people and files",
		Args:  cobra.NoArgs,
		Long: "Makes content from a seed, for trying out and measuring: the same seed gives the same content. It is " +
			"all in sites\nof its own, /web/generated-SEED-1 and so on. A run that was cut off goes on where it " +
			"stopped.",
		RunE: func(*cobra.Command, []string) error {
			var err error
			if n.Size, err = bytesOf(size); err != nil {
				return err
			}
			if err := n.Check(); err != nil {
				return err
			}
			req.Progress = progress(os.Stderr)
			return onNode(f, "generate", req, func(ctx context.Context, s *server.Server) (string, error) {
				return s.Generate(ctx, req)
			})
		},
	}
	cmd.Flags().Uint64Var(&n.Seed, "seed", 1, "what the content comes from")
	cmd.Flags().IntVar(&n.Sites, "sites", 1, "how many sites; all else is spread over them")
	cmd.Flags().IntVar(&n.Pages, "pages", 50, "how many pages in all")
	cmd.Flags().IntVar(&n.Articles, "articles", 500, "how many articles in all")
	cmd.Flags().IntVar(&n.People, "people", 20, "how many accounts; they have no passwords")
	cmd.Flags().IntVar(&n.Files, "files", 20, "how many files in all")
	cmd.Flags().StringVar(&size, "size", "64KB", "size of each file, about")
	cmd.Flags().BoolVar(&req.Yes, "yes", false, "also on a portal that has content of its own")
	return cmd
}

// bytesOf reads a size such as 64KB, 1.5 MiB or 100; all units count in steps of 1024.
func bytesOf(s string) (int64, error) {
	number, shift := strings.ToUpper(strings.TrimSpace(s)), 0
	number = strings.TrimSuffix(strings.TrimSuffix(number, "B"), "I")
	for i, unit := range []string{"K", "M", "G"} {
		if rest, ok := strings.CutSuffix(number, unit); ok {
			number, shift = rest, 10*(i+1)
			break
		}
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if v = v * math.Exp2(float64(shift)); err != nil || !(v >= 0 && v < 1<<40) {
		return 0, stoa.Invalid("size", "%q is not a size: one such as 64KB or 2MB is expected", s)
	}
	return int64(v), nil
}
