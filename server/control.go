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
	"time"

	"github.com/stoa-portal/stoa"
)

// SocketPath is where a node listens for the commands of its operator. Who may open the file is the
// operator: it belongs to the user that runs the node, with mode 0600.
func SocketPath(home string) string { return filepath.Join(home, "run", "stoa.sock") }

// ControlRequest is what a command asks of the node that runs on its home.
type ControlRequest struct {
	Login string `json:"login,omitempty"` // reset-password: e-mail address or screen name
	Node  string `json:"node,omitempty"`  // cluster/forget: name or id

	// import/wordpress
	File     string `json:"file,omitempty"`  // absolute path of the export
	Media    string `json:"media,omitempty"` // absolute path of the folder with its files; may be empty
	Site     string `json:"site,omitempty"`  // name in /web/NAME; empty for the default site
	HomePage string `json:"homePage,omitempty"`
	DryRun   bool   `json:"dryRun,omitempty"`

	// Progress is told how far a long command is; nil: nobody wants to know. Over the socket the node sends it
	// back as answers before the last one when Reports is set, which Control does.
	Progress func(done, total int) `json:"-"`
	Reports  bool                  `json:"reports,omitempty"`
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
	mux.HandleFunc("POST /backup/stream", s.streamBackup)
	mux.HandleFunc("POST /import/wordpress", s.control(func(ctx context.Context, r ControlRequest) (string, error) {
		return s.ImportWordPress(ctx, r)
	}))
	mux.HandleFunc("POST /cluster/status", s.control(func(ctx context.Context, _ ControlRequest) (string, error) { return s.ClusterText(ctx) }))
	mux.HandleFunc("POST /cluster/cache/clear", s.control(func(ctx context.Context, _ ControlRequest) (string, error) { return s.ClearCachesText(ctx) }))
	mux.HandleFunc("POST /cluster/forget", s.control(func(ctx context.Context, r ControlRequest) (string, error) { return s.ForgetText(ctx, r.Node) }))
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
			answer.Text, err = fn(stoa.WithActor(r.Context(), stoa.SystemActor()), req)
		}
		if err != nil {
			answer = ControlAnswer{Error: err.Error()}
		}
		_ = out.Encode(answer)
	}
}

// Control sends a command to the node that runs on the home. running is false when none does.
func Control(ctx context.Context, home, command string, req ControlRequest) (text string, running bool, err error) {
	path, release, err := shortPath(SocketPath(home))
	if errors.Is(err, os.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer release()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
	req.Reports = req.Progress != nil
	body, err := json.Marshal(req)
	if err != nil {
		return "", false, err
	}
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if err != nil {
		return "", false, nil
	}
	_ = conn.Close()
	httpReq, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://stoa/"+command, jsonBody(body))
	if err != nil {
		return "", true, err
	}
	res, err := client.Do(httpReq)
	if err != nil {
		return "", true, stoa.Unavailable(err, "the node on %s did not answer", home)
	}
	defer res.Body.Close()
	var answer ControlAnswer
	for in := json.NewDecoder(res.Body); ; {
		answer = ControlAnswer{}
		switch err := in.Decode(&answer); {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return "", true, stoa.Unavailable(err, "the node on %s went away while it ran the command", home)
		case err != nil:
			return "", true, stoa.Unavailable(err, "the node on %s does not know the command %s; is it older?", home, command)
		}
		if answer.Total == 0 {
			break
		}
		if req.Progress != nil {
			req.Progress(answer.Done, answer.Total)
		}
	}
	if answer.Error != "" {
		return "", true, errors.New(answer.Error)
	}
	return answer.Text, true, nil
}
