package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth_AsksTheNodeOfTheSettings(t *testing.T) {
	well := true
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/livez":
			_, _ = w.Write([]byte("alive\n"))
		case r.URL.Path == "/readyz" && well:
			_, _ = w.Write([]byte("ready\n"))
		default:
			http.Error(w, "not ready\n- database: away", http.StatusServiceUnavailable)
		}
	}))
	t.Setenv("STOA_PORTAL_PERIOD_INSTANCE_PERIOD_INET_PERIOD_SOCKET_PERIOD_ADDRESS", node.Listener.Addr().String())
	home := t.TempDir()
	ask := func(args ...string) int { return run(append([]string{"health", "--home", home}, args...)) }
	if code := ask(); code != 0 {
		t.Errorf("a node that lives: exit code %d", code)
	}
	if code := ask("--ready"); code != 0 {
		t.Errorf("a node that is ready: exit code %d", code)
	}
	well = false
	if code := ask("--ready"); code != 1 {
		t.Errorf("a node that is not ready: exit code %d, want 1", code)
	}
	if code := ask(); code != 0 {
		t.Errorf("a node that lives and is not ready: exit code %d", code)
	}
	node.Close()
	if code := ask(); code != 1 {
		t.Errorf("no node: exit code %d, want 1", code)
	}
}

func TestOwnAddress_IsOnThisMachine(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080", "[::]:80": "[::1]:80", "10.1.2.3:81": "10.1.2.3:81",
		"node1:8080": "node1:8080",
	} {
		if got, err := ownAddress(listen); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", listen, got, err, want)
		}
	}
	if _, err := ownAddress("0.0.0.0:0"); err == nil || !strings.Contains(err.Error(), "any free port") {
		t.Errorf("port 0: error %v, want one that says why", err)
	}
}
