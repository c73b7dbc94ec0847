//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// image is what the second stage of the Dockerfile describes.
type image struct {
	root             string
	env              []string
	dir              string
	user, group      uint32
	start, health    []string
	volumes, exposed []string
}

// TestDockerfile_ItsStepsGiveAnImageThatRunsWithoutRoot does what the file says, in folders of its own instead of in
// containers, and runs what comes out where it sees nothing else.
func TestDockerfile_ItsStepsGiveAnImageThatRunsWithoutRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can shut a program into a folder")
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(top, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp("", "stoa-image") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(work) })
	if err := os.Chmod(work, 0o755); err != nil {
		t.Fatal(err)
	}
	img := image{root: filepath.Join(work, "image")}
	if err := os.Mkdir(img.root, 0o755); err != nil {
		t.Fatal(err)
	}
	img.do(t, string(text), top, filepath.Join(work, "build"))
	if img.user == 0 || img.group == 0 {
		t.Errorf("the portal runs as user %d and group %d, want neither to be root", img.user, img.group)
	}
	if len(img.volumes) != 1 || img.volumes[0] != "/home/stoa" || len(img.exposed) != 1 || img.exposed[0] != "8080" {
		t.Errorf("volumes %v and ports %v, want the home and the port of the portal", img.volumes, img.exposed)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	img.env = append(img.env,
		"STOA_PORTAL_PERIOD_INSTANCE_PERIOD_INET_PERIOD_SOCKET_PERIOD_ADDRESS="+l.Addr().String())
	_ = l.Close()
	if out, err := img.command(t.Context(), img.health).CombinedOutput(); err == nil {
		t.Errorf("the health check passes without a node:\n%s", out)
	}
	var log strings.Builder
	node := img.command(t.Context(), img.start)
	node.Stdout, node.Stderr = &log, &log
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- node.Wait() }()
	until := time.After(2 * time.Minute)
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		out, err := img.command(t.Context(), append(img.health[:len(img.health):len(img.health)], "--ready")).CombinedOutput()
		if err == nil {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("the node ended: %v\n%s", err, log.String())
		case <-until:
			_ = node.Process.Kill()
			t.Fatalf("the node is not ready: %s\n%s", out, log.String())
		case <-tick.C:
		}
	}
	if out, err := img.command(t.Context(), img.health).CombinedOutput(); err != nil {
		t.Errorf("the health check fails beside a node that is ready: %v\n%s", err, out)
	}
	if err := node.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the node ended with %v\n%s", err, log.String())
		}
	case <-time.After(2 * time.Minute):
		_ = node.Process.Kill()
		t.Error("the node does not end on SIGTERM")
	}
}

// command runs a program of the image as the image's user, with nothing but the image in sight.
func (i *image) command(ctx context.Context, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = i.env, i.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Pdeathsig: syscall.SIGKILL,
		Credential: &syscall.Credential{Uid: i.user, Gid: i.group}}
	return cmd
}

// do carries the instructions out; one that it does not know fails the test. The first stage works in a folder
// instead of in /, and on the sources where they are.
func (i *image) do(t *testing.T, text, top, build string) {
	t.Helper()
	stage, variables := 0, []string{}
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if stage == 1 {
			switch word {
			case "WORKDIR", "COPY": // the sources are there
			case "ARG":
				name, value, _ := strings.Cut(rest, "=")
				if name == "VERSION" {
					value = "1.2.3-image"
				}
				variables = append(variables, name+"="+value)
			case "RUN":
				if rest == "go mod download" {
					continue // more than the build needs
				}
				cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(rest, "/out/", build+"/"))
				cmd.Dir, cmd.Env = top, append(os.Environ(), variables...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}
			case "FROM":
				if stage++; rest != "scratch" {
					t.Fatalf("the image is made from %s, want scratch", rest)
				}
			default:
				t.Fatalf("the test does not know %s in the first stage", word)
			}
			continue
		}
		switch word {
		case "FROM":
			stage++
		case "COPY":
			i.copy(t, strings.Fields(rest), build)
		case "ENV":
			i.env = append(i.env, rest)
		case "WORKDIR":
			i.dir = rest
		case "USER":
			if _, err := fmt.Sscanf(rest, "%d:%d", &i.user, &i.group); err != nil {
				t.Fatalf("%s: %v, want numbers", line, err)
			}
		case "VOLUME":
			i.volumes = append(i.volumes, rest)
		case "EXPOSE":
			i.exposed = append(i.exposed, rest)
		case "HEALTHCHECK":
			_, list, _ := strings.Cut(rest, "CMD ")
			i.health = words(t, list)
		case "ENTRYPOINT", "CMD":
			i.start = append(i.start, words(t, rest)...)
		case "STOPSIGNAL":
			if rest != "SIGTERM" {
				t.Errorf("%s: nodes leave in good order on SIGTERM", line)
			}
		default:
			t.Fatalf("the test does not know %s in the second stage", word)
		}
	}
}

// copy does COPY --from=build [--chown=N:N] FROM TO: what is in a folder, modes kept, owned by root or as said.
func (i *image) copy(t *testing.T, words []string, build string) {
	t.Helper()
	owner := "0:0"
	for strings.HasPrefix(words[0], "--") {
		if who, ok := strings.CutPrefix(words[0], "--chown="); ok {
			owner = who
		} else if words[0] != "--from=build" {
			t.Fatalf("the test does not know %s", words[0])
		}
		words = words[1:]
	}
	from := filepath.Join(build, strings.TrimPrefix(words[0], "/out/"))
	to := filepath.Join(i.root, words[1])
	out, err := exec.CommandContext(t.Context(), "sh", "-c",
		`mkdir -p "$2" && cp -R --preserve=mode "$1/." "$2" && chown -R "$3" "$2"`, "sh", from, to, owner).CombinedOutput()
	if err != nil {
		t.Fatalf("COPY %v: %v\n%s", words, err, out)
	}
}

func words(t *testing.T, list string) (all []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(list), &all); err != nil || len(all) == 0 {
		t.Fatalf("%s: %v, want the words of a command as JSON", strconv.Quote(list), err)
	}
	return all
}
