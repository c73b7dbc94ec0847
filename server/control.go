package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/importer/generate"
)

// SocketPath is where a node listens for the commands of its operator. Who may open the file is the
// operator: it belongs to the user that runs the node, with mode 0600.
func SocketPath(home string) string { return filepath.Join(home, "run", "stoa.sock") }

// ControlRequest is what a command asks of the node that runs on its home.
type ControlRequest struct {
	Login string `json:"login,omitempty"` // reset-password, reset-factors: e-mail address or screen name
	Node  string `json:"node,omitempty"`  // cluster/forget: name or id
	Dead  bool   `json:"dead,omitempty"`  // cluster/forget: all that are dead
	Read  string `json:"read,omitempty"`  // cluster/events: id of the event to mark as read, or "all"; empty: list them
	Limit int    `json:"limit,omitempty"` // cluster/events: how many to list

	// follow
	Follower string `json:"follower,omitempty"`
	Order    string `json:"order,omitempty"` // failed, retry, discard, rebuild or forget; empty: list them

	// files/move has an Order, too: start, finish or cancel; empty: say how far it is

	// import/wordpress
	File     string `json:"file,omitempty"`  // absolute path of the export
	Media    string `json:"media,omitempty"` // absolute path of the folder with its files; may be empty
	Site     string `json:"site,omitempty"`  // name in /web/NAME; empty for the default site
	HomePage string `json:"homePage,omitempty"`
	DryRun   bool   `json:"dryRun,omitempty"`
	Verbose  bool   `json:"verbose,omitempty"` // the report leaves nothing out

	// generate
	Generate generate.Numbers `json:"generate,omitzero"`
	Yes      bool             `json:"yes,omitempty"` // also on a portal with content of its own

	// Progress is told how far a long command is; nil: nobody wants to know. Over the socket the node sends it
	// back as answers before the last one when Reports is set, which Control does.
	Progress func(done, total int) `json:"-"`
	Reports  bool                  `json:"reports,omitempty"`
}

// acts reports whether the command changes something; those that only look have no row in the audit log.
func (r ControlRequest) acts(name string) bool {
	return name != "cluster/status" && (name != "follow" || r.Order != "" && r.Order != "failed") &&
		(name != "files/move" || r.Order != "") &&
		(name != "cluster/events" || r.Read != "") && !r.DryRun
}

// about is what the audit log keeps of a command.
func (r ControlRequest) about() (out []string) {
	for _, s := range []string{r.Login, r.Node, r.File, r.Site, r.Order, r.Follower} {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// ControlAnswer is the node's answer, or before it, with Total, how far the command is.
type ControlAnswer struct {
	Done  int    `json:"done,omitempty"`
	Total int    `json:"total,omitempty"`
	Text  string `json:"text,omitempty"`  // for the operator
	Error string `json:"error,omitempty"` // a sentence; Text is empty then
}

// listenControl answers commands on the control socket of the home.
func (s *Server) listenControl(h *home) (func(context.Context) error, error) {
	path := SocketPath(h.dir)
	// The home is locked by this process, so a socket that is there belongs to a process that died.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, stoa.Unavailable(err, "the old control socket %s cannot be removed", path)
	}
	short, release, err := shortPath(path)
	if err != nil {
		return nil, stoa.Unavailable(err, "the control socket %s cannot be made", path)
	}
	l, err := net.Listen("unix", short)
	if err != nil {
		release()
		return nil, stoa.Unavailable(err, "the control socket %s cannot be made", path)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		release()
		return nil, errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reset-password", s.control(func(ctx context.Context, r ControlRequest) (string, error) {
		link, err := s.ResetPassword(ctx, r.Login)
		return link, err
	}))
	mux.HandleFunc("POST /reset-factors", s.control(func(ctx context.Context, r ControlRequest) (string, error) {
		return s.ResetFactors(ctx, r.Login)
	}))
	mux.HandleFunc("POST /backup/stream", s.streamBackup)
	mux.HandleFunc("POST /generate", s.control(s.Generate))
	mux.HandleFunc("POST /import/wordpress", s.control(func(ctx context.Context, r ControlRequest) (string, error) {
		return s.ImportWordPress(ctx, r)
	}))
	mux.HandleFunc("POST /cluster/status", s.control(func(ctx context.Context, _ ControlRequest) (string, error) { return s.ClusterText(ctx) }))
	mux.HandleFunc("POST /cluster/cache/clear", s.control(func(ctx context.Context, _ ControlRequest) (string, error) { return s.ClearCachesText(ctx) }))
	mux.HandleFunc("POST /cluster/forget", s.control(func(ctx context.Context, r ControlRequest) (string, error) {
		if r.Dead {
			return s.ForgetDead(ctx)
		}
		return s.ForgetText(ctx, r.Node)
	}))
	mux.HandleFunc("POST /cluster/events", s.control(func(ctx context.Context, r ControlRequest) (string, error) {
		if r.Read != "" {
			return s.ReadEventsText(ctx, r.Read)
		}
		return s.EventsText(ctx, r.Limit)
	}))
	mux.HandleFunc("POST /follow", s.control(s.FollowText))
	mux.HandleFunc("POST /files/move", s.control(s.MoveText))
	mux.HandleFunc("POST /hello", func(http.ResponseWriter, *http.Request) {}) // is there life?
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	return func(ctx context.Context) error {
		defer release()
		err := srv.Shutdown(ctx)
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}

// shortPath gives a name of the socket that fits into the 107 bytes which the system allows for one:
// a long path is reached through the open folder.
func shortPath(path string) (short string, release func(), err error) {
	if len(path) <= 100 {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), filepath.Base(path)), func() { _ = dir.Close() }, nil
}

func (s *Server) control(fn func(ctx context.Context, r ControlRequest) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req ControlRequest
		var answer ControlAnswer
		w.Header().Set("Content-Type", "application/json")
		out := json.NewEncoder(w)
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&req)
		if req.Reports {
			req.Progress = func(done, total int) {
				_ = out.Encode(ControlAnswer{Done: done, Total: total}) // the command that hung up does not want it
				_ = http.NewResponseController(w).Flush()
			}
		}
		if err == nil {
			ctx := audit.WithOrigin(stoa.WithActor(r.Context(), stoa.SystemActor()), controlSocket)
			answer.Text, err = fn(ctx, req)
			if name := strings.TrimPrefix(r.URL.Path, "/"); req.acts(name) {
				s.noted(ctx, err, audit.Commanded, audit.Thing{Title: name}, req.about()...)
			}
		}
		if err != nil {
			answer = ControlAnswer{Error: err.Error()}
		}
		_ = out.Encode(answer)
	}
}

const (
	// helloLimit is how long a node may take to show that it lives.
	helloLimit = 5 * time.Second
	// helloEvery is how often a command that takes long looks whether the node still lives, and helloMisses how
	// often in a row it may not.
	helloEvery  = 5 * time.Second
	helloMisses = 3
)

// MuteError says that a process holds the home and does not answer: it is frozen, or starved of its machine.
type MuteError struct {
	Home string
	PID  string // as the lock of the home has it
}

// Error names the process.
func (e *MuteError) Error() string {
	return "the node on the home " + e.Home + " (pid " + e.PID +
		") does not answer; it may be frozen, or its machine overloaded"
}

// caller talks to the node on a home.
type caller struct {
	home   string
	path   string
	client *http.Client
}

// Control sends a command to the node that runs on the home. running is false when none does. A node that shows no life
// within 5 s, before the command or while it runs, is a MuteError; else the command takes the time it needs, until
// ctx ends.
func Control(ctx context.Context, home, command string, req ControlRequest) (text string, running bool, err error) {
	path, release, err := shortPath(SocketPath(home))
	if errors.Is(err, os.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer release()
	c := caller{home: home, path: path}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	c.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	if err := c.hello(ctx); errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return "", false, nil
	} else if err != nil {
		return "", true, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(ctx, cancel)
	}()
	text, err = c.call(ctx, command, req)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-watched
	return text, true, err
}

// hello asks the node for a sign of life. One of an older version does not know the question, and lives.
func (c caller) hello(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, helloLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(limit, http.MethodPost, "http://stoa/hello", nil)
	if err != nil {
		return err
	}
	res, err := c.client.Do(req)
	switch {
	case err == nil:
		return res.Body.Close()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return err
	case errors.Is(err, os.ErrPermission):
		return stoa.Forbidden(
			"the control socket %s belongs to another user; run the command as the user that runs the node",
			SocketPath(c.home))
	}
	return &MuteError{Home: c.home, PID: Holder(c.home)}
}

// Holder is the pid of the process that has, or had, the home.
func Holder(home string) string {
	raw, err := os.ReadFile(filepath.Join(home, "run", "stoa.lock"))
	if pid := strings.TrimSpace(string(raw)); err == nil && pid != "" {
		return pid
	}
	return "not known"
}

// watch ends a command whose node has stopped to show life.
func (c caller) watch(ctx context.Context, end context.CancelCauseFunc) {
	tick := time.NewTicker(helloEvery)
	defer tick.Stop()
	for missed := 0; missed < helloMisses; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := c.hello(ctx); err != nil {
			missed++
		} else {
			missed = 0
		}
	}
	end(&MuteError{Home: c.home, PID: Holder(c.home)})
}

// call sends the command and reads its answers.
func (c caller) call(ctx context.Context, command string, req ControlRequest) (string, error) {
	req.Reports = req.Progress != nil
	body, err := json.Marshal(req)
	if err != nil {
		return "", err
	}
	httpReq, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://stoa/"+command, jsonBody(body))
	if err != nil {
		return "", err
	}
	res, err := c.client.Do(httpReq)
	if err != nil {
		return "", stoa.Unavailable(err, "the node on %s did not answer", c.home)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound {
		return "", stoa.Unavailable(nil, "the node on %s does not know the command %s; is it older?",
			c.home, command)
	}
	var answer ControlAnswer
	for in := json.NewDecoder(res.Body); ; {
		answer = ControlAnswer{}
		switch err := in.Decode(&answer); {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return "", stoa.Unavailable(err, "the node on %s went away while it ran the command", c.home)
		case err != nil:
			return "", stoa.Unavailable(err, "the node on %s does not know the command %s; is it older?",
				c.home, command)
		}
		if answer.Total == 0 {
			break
		}
		if req.Progress != nil {
			req.Progress(answer.Done, answer.Total)
		}
	}
	if answer.Error != "" {
		return "", errors.New(answer.Error)
	}
	return answer.Text, nil
}
