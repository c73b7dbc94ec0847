package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db/transfer"
	"github.com/stoa-portal/stoa/server"
)

func backupCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup DIR|-", Short: "Back up database and files of the running portal", Args: cobra.ExactArgs(1),
		Long: `Writes database and files as they are at one moment to a new folder, or with - to standard output,
while nodes run. Every byte is read again and compared on the way. The backup fits any database that Stoa
knows; it holds every secret of the portal, so keep it as you keep the database.`,
		Example: "  stoa backup /backup/monday\n  stoa backup - | ssh store 'cat > portal.stoa-backup'",
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := interrupted()
			defer stop()
			if args[0] == "-" {
				if terminal(os.Stdout) {
					return fmt.Errorf("a backup is not for a terminal: send standard output to a file or to another " +
						"program, or name a new folder")
				}
				_, _, err := server.CheckedBackup(ctx, os.Stdout, steps(os.Stderr),
					func(w io.Writer) error { return f.backup(ctx, w) })
				return err
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			h, e, err := server.BackupToDir(ctx, dir, steps(os.Stderr), func(w io.Writer) error {
				return f.backup(ctx, w)
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The backup is in %s: %s\n", dir, contents(h, e))
			return nil
		}}
	cmd.AddCommand(&cobra.Command{
		Use: "verify DIR|FILE|-", Short: "Read a backup and compare every checksum", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := server.OpenBackup(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = in.Close() }() // was only read
			ctx, stop := interrupted()
			defer stop()
			h, e, err := transfer.Verify(ctx, in, steps(os.Stderr))
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The backup is whole: %s\n", contents(h, e))
			return nil
		}})
	return cmd
}

func contents(h transfer.Header, e transfer.End) string {
	return fmt.Sprintf("%d rows and %d files (%d bytes) as of %s, from %s with schema %d, by stoa %s",
		e.Rows, e.Files, e.Bytes,
		h.Taken.Format(time.RFC3339), h.Engine, h.Schema, h.Version)
}

// backup writes a backup to w, by the node that runs on the home or by one that lives for this command.
func (f *flags) backup(ctx context.Context, w io.Writer) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	running, err := server.ControlStream(ctx, c.Home, "backup/stream", server.ControlRequest{}, w)
	if running || err != nil {
		return err
	}
	if err := mustBePortal(ctx, c); err != nil {
		return err
	}
	own, err := config.Load(config.Options{Home: f.home, Environ: os.Environ(), External: f.external,
		Flags: map[string]string{
			"portal.instance.inet.socket.address": "127.0.0.1:0", "web.server.https.certificate": "",
			"web.server.https.key": ""}})
	if err != nil {
		return err
	}
	s, err := server.New(ctx, server.Options{Config: own, Stores: stores(), Command: true, Logger: warnings()})
	if err != nil {
		return err
	}
	_, err = s.Backup(stoa.WithActor(ctx, stoa.SystemActor()), w)
	return errors.Join(err, s.Stop(context.Background()))
}

func restoreCommand(f *flags) *cobra.Command {
	var url, passwordFile string
	cmd := &cobra.Command{
		Use: "restore DIR|FILE|-", Short: "Fill an empty database and file store from a backup",
		Args: cobra.ExactArgs(1),
		Long: `Fills the database and the file store of the home (--home) from a backup of any engine. Neither may hold
anything. People sign in again afterwards, and links that were sent work no more. A restore that was cut off
begins anew when it is repeated.`,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			password, err := readPassword(passwordFile)
			if err != nil {
				return err
			}
			ctx, stop := interrupted()
			defer stop()
			in, err := server.OpenBackup(args[0]) // before a home is made for it
			if err != nil {
				return err
			}
			if args[0] != "-" {
				_ = in.Close() // was not read
			}
			h, e, err := server.Restore(ctx, cfg, stores(), args[0], url, password, warnings(), steps(os.Stderr))
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The backup was restored to %s: %s\n", cfg.Home, contents(h, e))
			if url != "" {
				fmt.Fprintln(c.OutOrStdout(), "Set jdbc.default.url to the database that was filled before you start "+
					"a node.")
			}
			return nil
		}}
	cmd.Flags().StringVar(&url, "url", "", "address of the database to fill (default: that of the home's "+
		"configuration)")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password for --url")
	return cmd
}

// readPassword reads a password from the first line of a file; no file is no password.
func readPassword(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return "", stoa.Unavailable(err, "the password cannot be read from %s", name)
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	return strings.TrimSuffix(first, "\r"), nil
}

// interrupted is a context that ends when the operator stops the command.
func interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}

// warnings is the log of a command.
func warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// steps draws the bar of a command with several steps, a few times a second; nil elsewhere than on a terminal.
func steps(w *os.File) transfer.Progress {
	draw := progress(w)
	if draw == nil {
		return nil
	}
	var last time.Time
	return func(step string, done, total int64) {
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond || done == total {
			last = now
			draw(int(done), int(total))
		}
	}
}
