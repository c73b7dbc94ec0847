// Command stoa is the portal: serve runs a node, the other commands look after it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	_ "time/tzdata" // time zones work in a bare container as well

	"github.com/spf13/cobra"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/server"
)

func main() { os.Exit(run(os.Args[1:])) }

// The exit codes. Commands that look tell the last two apart; for all others everything that fails is a 1.
const (
	exitWell  = 0
	exitWrong = 1 // something is wrong, or the command failed
	exitBlind = 2 // a command that looks could not
)

// exit is an error that ends the program with a code of its own; without a cause nothing more is to be said.
type exit struct {
	code  int
	cause error
}

// Error is the cause in words.
func (e *exit) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

// Unwrap gives the cause.
func (e *exit) Unwrap() error { return e.cause }

// run is main without the exit, so that deferred work is done.
func run(args []string) int {
	root := command()
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitWell
	}
	code := exitWrong
	var e *exit
	if errors.As(err, &e) {
		code = e.code
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, "stoa: "+strings.ReplaceAll(text, "\n", "\n      "))
	}
	return code
}

// interruptible gives a context that a signal ends.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}

// flags are those that every command knows.
type flags struct{ home, port, external string }

func (f *flags) options() config.Options {
	set := map[string]string{}
	if f.port != "" {
		set["port"] = f.port
	}
	return config.Options{Home: f.home, Environ: os.Environ(), Flags: set, External: f.external}
}

func (f *flags) load() (*config.Config, error) { return config.Load(f.options()) }

func command() *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use: "stoa", Short: "A digital experience platform in one binary", SilenceUsage: true, SilenceErrors: true,
		Long: "Stoa serves web sites out of the box and becomes a node of a cluster by configuration.\nStart with: stoa serve",
	}
	root.PersistentFlags().
		StringVar(&f.home, "home", "", "folder of this node (default ./stoa-home; also STOA_HOME and liferay.home)")
	root.PersistentFlags().
		StringVar(&f.external, "external-properties", "", "a further properties file, read after portal-ext.properties")
	serve := &cobra.Command{
		Use:   "serve",
		Short: "Run a node",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return serveNode(&f) },
	}
	serve.Flags().StringVar(&f.port, "port", "", "port to listen on (default 8080)")
	root.AddCommand(
		serve,
		configCommand(&f),
		userCommand(&f),
		backupCommand(&f),
		restoreCommand(&f),
		importCommand(&f),
		migrateCommand(&f),
		clusterCommand(&f),
		followCommand(&f),
		filesCommand(&f),
		dbCommand(&f),
		generateCommand(&f),
		healthCommand(&f),
		licensesCommand(),
		&cobra.Command{
			Use:   "version",
			Short: "Print the version",
			Args:  cobra.NoArgs,
			Run: func(c *cobra.Command, _ []string) {
				fmt.Fprintln(c.OutOrStdout(), "stoa", stoa.Version)
			},
		},
	)
	explain(root)
	return root
}

// explain lets the commands say what would be right when they are called with something else.
func explain(c *cobra.Command) {
	var known []string
	for _, sub := range c.Commands() {
		explain(sub)
		known = append(known, sub.Name())
	}
	switch right := c.Args; {
	case right != nil:
		c.Args = func(c *cobra.Command, args []string) error {
			if err := right(c, args); err != nil {
				return fmt.Errorf("%w; what is understood is: %s", err, c.UseLine())
			}
			return nil
		}
	case !c.Runnable() && c.HasParent():
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf(
					"there is no command %q; after %q comes one of %s",
					args[0],
					c.CommandPath(),
					strings.Join(known, ", "),
				)
			}
			return c.Help()
		}
	}
}

func serveNode(f *flags) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(c.Log.Level)
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	if c.Log.Format == "json" {
		handler = slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	}
	log := slog.New(handler)
	ctx, stop := interruptible()
	defer stop()
	s, err := server.New(ctx, server.Options{Config: c, Stores: stores(), Logger: log, Level: level})
	if err != nil {
		return err
	}
	if s.SetupPath != "" {
		fmt.Fprintf(
			os.Stderr,
			"\n  Stoa is running at %s\n  Set the administrator's password within an hour: %s%s\n\n",
			s.PersonURL(),
			s.PersonURL(),
			s.SetupPath,
		)
	} else {
		fmt.Fprintf(os.Stderr, "\n  Stoa is running at %s\n\n", s.URL())
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	select {
	case err = <-served:
		return errors.Join(err, s.Stop(context.Background()))
	case <-ctx.Done():
	}
	stop() // a second signal ends the process at once
	log.Info(
		"leaving: not ready for new requests, then finishing those that run; a second signal ends at once",
		"wait",
		c.Server.DrainDelay,
	)
	leave, cancel := context.WithTimeout(context.Background(), c.Server.DrainDelay+c.Server.StopTimeout)
	defer cancel()
	err = s.Drain(leave)
	return errors.Join(err, <-served, s.Stop(context.Background()))
}

// showConfig prints what can be read of the settings, whatever is wrong with them: it is asked when a node does not
// start. What it takes, a start takes, as both ask the same code.
func showConfig(c *cobra.Command, f *flags) error {
	cfg, err := config.Examine(f.options())
	if cfg == nil {
		return err
	}
	warnings := cfg.Warnings()
	if err == nil {
		var told []string
		told, err = server.Check(cfg)
		warnings = append(warnings, told...)
		cfg.Mark(err)
	}
	cfg.Print(c.OutOrStdout(), !terminal(os.Stdout))
	for _, w := range warnings {
		fmt.Fprintln(c.ErrOrStderr(), w)
	}
	return err
}

func configCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every property with its source, and what is wrong or unknown",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return showConfig(c, f)
		},
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "docs [FILE]",
			Short: "Write the reference of all properties",
			Args:  cobra.MaximumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				name := filepath.Join("docs", "properties.md")
				if len(args) == 1 {
					name = args[0]
				}
				out, err := os.Create(name)
				if err != nil {
					return stoa.Unavailable(err, "%s cannot be written", name)
				}
				return errors.Join(config.WriteDocs(out), out.Close())
			},
		},
	)
	return cmd
}

// onNode runs a command inside the node that uses the home, or opens the home for it when none does, and
// prints what it says.
func onNode(
	f *flags,
	name string,
	req server.ControlRequest,
	alone func(ctx context.Context, s *server.Server) (string, error),
) error {
	text, err := askNode(f, name, req, alone)
	if err == nil {
		fmt.Println(text)
	}
	return err
}

// mustBePortal refuses a home without a portal: what looks after one makes none.
func mustBePortal(ctx context.Context, c *config.Config) error {
	there, err := server.Portal(ctx, c)
	if err == nil && !there {
		err = fmt.Errorf("no portal was ever started on the home %s; --home names another", c.Home)
	}
	return err
}

// askNode is onNode without the printing.
func askNode(
	f *flags,
	name string,
	req server.ControlRequest,
	alone func(ctx context.Context, s *server.Server) (string, error),
) (string, error) {
	c, err := f.load()
	if err != nil {
		return "", err
	}
	ctx, stop := interruptible()
	defer stop()
	text, running, err := server.Control(ctx, c.Home, name, req)
	if !running && err == nil &&
		(strings.HasPrefix(name, "cluster/") || strings.HasPrefix(name, "files/") || req.Login != "") {
		if err := mustBePortal(ctx, c); err != nil {
			return "", err
		}
	}
	if !running && err == nil {
		var own *config.Config
		if own, err = config.Load(config.Options{Home: f.home, Environ: os.Environ(), External: f.external, Flags: map[string]string{
			"portal.instance.inet.socket.address": "127.0.0.1:0", "web.server.https.certificate": "", "web.server.https.key": ""}}); err != nil {
			return "", err
		}
		s, openErr := server.New(
			ctx,
			server.Options{
				Config:  own,
				Stores:  stores(),
				Command: true,
				Logger:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
			},
		)
		if openErr != nil {
			return "", openErr
		}
		text, err = alone(audit.WithOrigin(stoa.WithActor(ctx, stoa.SystemActor()), "command"), s)
		err = errors.Join(err, s.Stop(context.Background())) // has a limit of its own
	}
	return text, err
}

func userCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Look after people"}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "reset-password LOGIN",
			Short: "Print a one-time link that sets a new password",
			Args:  cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				return onNode(
					f,
					"reset-password",
					server.ControlRequest{Login: args[0]},
					func(ctx context.Context, s *server.Server) (string, error) {
						link, err := s.ResetPassword(ctx, args[0])
						if err != nil {
							return "", err
						}
						c, err := f.load() // the node of this command listens elsewhere
						return strings.Replace(link, s.URL(), server.LocalURL(c), 1), err
					},
				)
			},
		},
	)
	cmd.AddCommand(&cobra.Command{
		Use: "reset-factors LOGIN", Short: "Take passkeys, apps and recovery codes from a person who has lost them",
		Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
			return onNode(
				f,
				"reset-factors",
				server.ControlRequest{Login: args[0]},
				func(ctx context.Context, s *server.Server) (string, error) {
					return s.ResetFactors(ctx, args[0])
				},
			)
		},
	})
	return cmd
}
